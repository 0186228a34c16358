// SPDX-License-Identifier: Apache-2.0
#include "daemon/policy/limits.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "daemon/policy/numbers.h"

namespace headgate::policy {
namespace {

static_assert(config::kMaxConnections < HG_NO_LIMIT);

constexpr unsigned kIpv4Bits = 96;  // that come before an IPv4 address in its 16-byte form

std::uint64_t to_ns(std::chrono::milliseconds time) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
}

hg_count_half_open to_abi(config::CountHalfOpen value) {
  switch (value) {
    case config::CountHalfOpen::kNone:
      return HG_HALF_OPEN_NONE;
    case config::CountHalfOpen::kAll:
      return HG_HALF_OPEN_ALL;
    case config::CountHalfOpen::kClient:
      break;
  }
  return HG_HALF_OPEN_CLIENT;
}

hg_action to_abi(config::OnLimit value) {
  switch (value) {
    case config::OnLimit::kDrop:
      return HG_ACTION_DROP;
    case config::OnLimit::kReply:
      return HG_ACTION_REPLY;
    case config::OnLimit::kReset:
      break;
  }
  return HG_ACTION_RESET;
}

// Rounded so that no more than the configured rate is admitted.
hg_rate to_abi(const config::RateLimit& limit) {
  const std::uint64_t per_ns = to_ns(limit.per);
  hg_rate rate{};
  rate.interval_ns = (per_ns + limit.count - 1) / limit.count;
  rate.tolerance_ns = (limit.burst - 1) * rate.interval_ns;
  return rate;
}

hg_rate to_abi(const std::optional<config::RateLimit>& limit) {
  return limit ? to_abi(*limit) : hg_rate{};
}

bool has_rates(const config::Rule& rule) {
  const config::NewConnectionLimits& rates = rule.new_connections;
  return rates.per_client || rates.per_network || rates.total ||
         std::any_of(rule.overrides.begin(), rule.overrides.end(), [](const auto& override) {
           return (override.client_rate && override.client_rate->value) ||
                  (override.network_rate && override.network_rate->value);
         });
}

bool counts_networks(const config::Rule& rule) {
  return rule.connections.per_network ||
         std::any_of(rule.overrides.begin(), rule.overrides.end(), [](const auto& override) {
           return override.per_network && override.per_network->value;
         });
}

__u32 flags_of(const config::Rule& rule, const config::Clients& clients) {
  const config::RuleSettings& settings = rule.settings;
  __u32 flags = 0;
  if (settings.on_table_full == config::OnTableFull::kRefuse) flags |= HG_REFUSE_ON_TABLE_FULL;
  if (settings.mode == config::Mode::kMonitor) flags |= HG_MONITOR;
  if (!rule.overrides.empty()) flags |= HG_HAS_OVERRIDES;
  if (!clients.exempt.empty()) flags |= HG_HAS_EXEMPT;
  if (!clients.deny.empty()) flags |= HG_HAS_DENIED;
  if (counts_networks(rule)) flags |= HG_COUNT_NETWORKS;
  if (has_rates(rule)) flags |= HG_HAS_RATES;
  return flags;
}

void compile_penalty(const config::Penalty& penalty, hg_rule& compiled) {
  compiled.penalty_after = penalty.after;
  compiled.penalty_within_ns = to_ns(penalty.within);
  compiled.penalty_first_ns = to_ns(penalty.deny_for);
  compiled.penalty_longest_ns = to_ns(penalty.at_most);
  compiled.penalty_growth = penalty.grow;
}

}  // namespace

hg_address mask_of(IpFamily family, std::uint8_t length) {
  const unsigned bits = (family == IpFamily::kIpv4 ? kIpv4Bits : 0U) + length;
  IpAddress::Bytes bytes{};
  for (unsigned bit = 0; bit < bits; ++bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | (0x80U >> (bit % 8)));
  }
  hg_address mask{};
  std::memcpy(&mask, bytes.data(), sizeof(mask));
  return mask;
}

hg_rule compile_rule(const config::Rule& rule, const Numbers& numbers,
                     const config::Clients& clients) {
  const config::RuleSettings& settings = rule.settings;
  hg_rule compiled{};
  compiled.limits.per_client = rule.connections.per_client.value_or(HG_NO_LIMIT);
  compiled.limits.per_network = rule.connections.per_network.value_or(HG_NO_LIMIT);
  compiled.limits.client_rate = to_abi(rule.new_connections.per_client);
  compiled.limits.network_rate = to_abi(rule.new_connections.per_network);
  compiled.total_rate = to_abi(rule.new_connections.total);
  compiled.total =
      rule.connections.total ? *rule.connections.total - rule.connections.reserve : HG_NO_LIMIT;
  compiled.handshake_timeout_ns = to_ns(settings.handshake_timeout);
  compiled.ipv4_mask = mask_of(IpFamily::kIpv4, settings.client_prefix.ipv4);
  compiled.ipv6_mask = mask_of(IpFamily::kIpv6, settings.client_prefix.ipv6);
  compiled.ipv4_network_bits = static_cast<std::uint8_t>(kIpv4Bits + settings.network_prefix.ipv4);
  compiled.ipv6_network_bits = settings.network_prefix.ipv6;
  compiled.count_half_open = to_abi(settings.count_half_open);
  compiled.action = static_cast<std::uint8_t>(to_abi(settings.on_limit));
  compiled.flags = flags_of(rule, clients);
  if (settings.reply) compiled.reply = reply_number(numbers, *settings.reply);
  if (rule.penalty) compile_penalty(*rule.penalty, compiled);
  return compiled;
}

hg_prefix compile_override(const config::Override& override, const hg_rule& rule) {
  hg_prefix compiled{};
  compiled.exempt = override.exempt ? 1 : 0;
  compiled.limits = rule.limits;
  hg_limits& limits = compiled.limits;
  if (override.per_client) limits.per_client = override.per_client->value.value_or(HG_NO_LIMIT);
  if (override.per_network) limits.per_network = override.per_network->value.value_or(HG_NO_LIMIT);
  if (override.client_rate) limits.client_rate = to_abi(override.client_rate->value);
  if (override.network_rate) limits.network_rate = to_abi(override.network_rate->value);
  return compiled;
}

}  // namespace headgate::policy
