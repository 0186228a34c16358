// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/explain.h"

#include <algorithm>

#include "bpf/bucket.h"
#include "daemon/kernel/address.h"

namespace headgate::manage {
namespace {

using std::chrono::nanoseconds;
using std::chrono::system_clock;

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::size_t kClient = 0;
constexpr std::size_t kNetwork = 1;
constexpr std::size_t kTotal = 2;
constexpr std::uint32_t kByConfiguration = 2;  // in hg_explanation::denied_by

system_clock::time_point after(std::uint64_t left_ns) {
  return system_clock::now() +
         std::chrono::duration_cast<system_clock::duration>(nanoseconds(left_ns));
}

std::optional<Bucket> to_bucket(const hg_rate& rate, std::uint64_t word, std::uint64_t now_ns) {
  if (rate.interval_ns == 0) return std::nullopt;
  // Whatever is owed by several CPUs shows as an empty bucket.
  const std::uint64_t full_at = std::max(word, now_ns);
  const std::uint64_t used_ns = full_at - now_ns;
  const std::uint64_t burst_ns = rate.tolerance_ns + rate.interval_ns;
  Bucket bucket;
  bucket.rate_per_second = 1e9 / static_cast<double>(rate.interval_ns);
  bucket.burst = static_cast<std::uint32_t>(burst_ns / rate.interval_ns);
  bucket.tokens = used_ns >= burst_ns ? 0
                                      : static_cast<double>(burst_ns - used_ns) /
                                            static_cast<double>(rate.interval_ns);
  if (!hg_bucket_has_token(word, now_ns, &rate)) {
    bucket.until_next = nanoseconds(used_ns - rate.tolerance_ns);
  }
  return bucket;
}

std::optional<std::uint32_t> to_limit(std::uint32_t limit) {
  if (limit == HG_NO_LIMIT) return std::nullopt;
  return limit;
}

// The length, in its own family, of a prefix whose key has so many bits.
std::uint8_t to_length(std::uint32_t prefix_bits) {
  return static_cast<std::uint8_t>(prefix_bits - HG_PREFIX_FIXED_BITS);
}

Level to_level(const hg_explanation& found, std::size_t level, std::uint32_t limit,
               const hg_rate& rate) {
  const hg_level_state& counted = found.levels[level];
  Level told;
  told.connections = counted.connections;
  told.half_open = counted.half_open;
  told.limit = to_limit(limit);
  told.bucket = to_bucket(rate, counted.bucket, found.now_ns);
  return told;
}

void explain_denial(const hg_explanation& found, const IpAddress& client, std::uint8_t client_bits,
                    Explanation& told) {
  if (found.denied_until_ns != 0) {
    DenyListed deny;
    deny.entry.cidr = Prefix::of(client, to_length(found.denied_bits));
    if (found.denied_by == kByConfiguration) deny.source = DenyListed::Source::kConfig;
    if (found.denied_until_ns != HG_FOR_GOOD) {
      deny.entry.until = after(found.denied_until_ns - found.boot_now_ns);
    }
    told.deny = deny;
  }
  told.penalty_times = found.penalty_times;
  if (found.penalty_until_ns > found.now_ns) {
    DenyListed penalty;
    penalty.entry.cidr = Prefix::of(client, client_bits);
    penalty.entry.until = after(found.penalty_until_ns - found.now_ns);
    penalty.source = DenyListed::Source::kPenalty;
    penalty.rule = told.rule;
    told.penalty = penalty;
  }
}

}  // namespace

Explanation to_explanation(const hg_explanation& found, const config::Rule& rule,
                           const hg_rule& compiled, const IpAddress& client) {
  const config::RuleSettings& settings = rule.settings;
  const bool is_ipv4 = client.family() == IpFamily::kIpv4;
  const std::uint8_t client_bits =
      is_ipv4 ? settings.client_prefix.ipv4 : settings.client_prefix.ipv6;
  const std::uint8_t network_bits =
      is_ipv4 ? settings.network_prefix.ipv4 : settings.network_prefix.ipv6;
  Explanation told;
  told.rule = rule.name;
  told.generation = found.generation;
  told.client = client.to_string();
  if (found.override_bits != 0) {
    told.overridden_by = Prefix::of(client, to_length(found.override_bits)).to_string();
  }
  if (found.exempt != 0) told.exempt_by = found.exempt == 2 ? "clients.exempt" : "overrides";
  told.per_client = to_level(found, kClient, found.limits.per_client, found.limits.client_rate);
  told.per_client.who = Prefix::of(client, client_bits).to_string();
  told.per_network = to_level(found, kNetwork, found.limits.per_network, found.limits.network_rate);
  told.per_network.who = Prefix::of(client, network_bits).to_string();
  told.total =
      to_level(found, kTotal, rule.connections.total.value_or(HG_NO_LIMIT), compiled.total_rate);
  told.reserve = rule.connections.reserve;
  explain_denial(found, client, client_bits, told);
  told.mode = observe::to_string(settings.mode);
  told.reason = observe::reason_labels().at(found.reason);
  told.action = observe::to_string(settings.on_limit);
  told.is_admitted =
      found.reason == HG_ADMITTED || found.exempt != 0 || settings.mode == config::Mode::kMonitor;
  return told;
}

std::optional<DenyListed> find_configured(const config::Config& config, const Prefix& cidr) {
  const std::vector<config::Deny>& entries = config.clients.deny;
  const auto entry = std::find_if(entries.begin(), entries.end(),
                                  [&](const config::Deny& one) { return one.cidr == cidr; });
  if (entry == entries.end()) return std::nullopt;
  return DenyListed{{entry->cidr, entry->reason, entry->until}, DenyListed::Source::kConfig, {}};
}

std::chrono::seconds retry_after(const hg_explanation& found, const hg_rule& rule) {
  const auto until = [](std::uint64_t then_ns, std::uint64_t now_ns) {
    return then_ns > now_ns ? (then_ns - now_ns + kNsPerSecond - 1) / kNsPerSecond : 0;
  };
  const auto until_token = [&](std::size_t level, const hg_rate& rate) {
    return until(found.levels[level].bucket, found.now_ns + rate.tolerance_ns);
  };
  std::uint64_t seconds = 1;
  switch (found.reason) {
    case HG_DENIED:
      if (found.denied_until_ns == HG_FOR_GOOD) return std::chrono::hours(24);
      seconds = std::max(until(found.denied_until_ns, found.boot_now_ns),
                         until(found.penalty_until_ns, found.now_ns));
      break;
    case HG_CLIENT_RATE:
      seconds = until_token(kClient, found.limits.client_rate);
      break;
    case HG_NETWORK_RATE:
      seconds = until_token(kNetwork, found.limits.network_rate);
      break;
    case HG_TOTAL_RATE:
      seconds = until_token(kTotal, rule.total_rate);
      break;
    default:
      break;
  }
  return std::chrono::seconds(std::max<std::uint64_t>(1, seconds));
}

}  // namespace headgate::manage
