// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/flatten.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "daemon/config/flow_text.h"
#include "daemon/config/group.h"
#include "daemon/config/listen.h"
#include "daemon/config/number.h"
#include "daemon/config/words.h"

namespace headgate::config {
namespace {

using Flat = std::map<std::string, std::string>;

void put_number(Flat& flat, const std::string& key, std::optional<std::uint32_t> number) {
  if (number) flat[key] = std::to_string(*number);
}

void put_rate(Flat& flat, const std::string& key, const std::optional<RateLimit>& rate) {
  if (!rate) return;
  flat[key + ".rate"] = format_rate(*rate);
  flat[key + ".burst"] = std::to_string(rate->burst);
}

std::string listen_text(const Listen& listen) {
  const auto group = [](std::string_view key, const std::string& name) {
    return "{ " + std::string(key) + ": " + scalar_text(name) + " }";
  };
  if (!listen.unit.empty()) return group(kUnitKey, listen.unit);
  if (!listen.cgroup.empty()) return group(kCgroupKey, listen.cgroup);
  return scalar_text(to_string(listen));
}

std::string listen_text(const Rule& rule) {
  std::vector<std::string> entries;
  for (const Listen& listen : rule.listen) entries.push_back(listen_text(listen));
  std::sort(entries.begin(), entries.end());
  std::string text;
  for (const std::string& entry : entries) text += (text.empty() ? "" : ", ") + entry;
  return "[" + text + "]";
}

std::string reply_text(const Reply& reply) {
  if (reply.kind == ReplyKind::kRaw) return "{ raw: " + scalar_text(reply.raw) + " }";
  return std::string(word_for(kReplyKinds, reply.kind));
}

void put_lengths(Flat& flat, const std::string& key, const PrefixLengths& lengths) {
  flat[key + ".ipv4"] = std::to_string(lengths.ipv4);
  flat[key + ".ipv6"] = std::to_string(lengths.ipv6);
}

void put_settings(Flat& flat, const RuleSettings& settings) {
  put_lengths(flat, "client_prefix", settings.client_prefix);
  put_lengths(flat, "network_prefix", settings.network_prefix);
  flat["mode"] = word_for(kModes, settings.mode);
  flat["handshake_timeout"] = format_duration(settings.handshake_timeout);
  flat["count_half_open"] = word_for(kCountHalfOpen, settings.count_half_open);
  flat["on_limit"] = word_for(kOnLimit, settings.on_limit);
  if (settings.reply) flat["reply"] = reply_text(*settings.reply);
  flat["on_table_full"] = word_for(kOnTableFull, settings.on_table_full);
}

void put_penalty(Flat& flat, const Penalty& penalty) {
  flat["penalty.after"] = std::to_string(penalty.after);
  flat["penalty.within"] = format_duration(penalty.within);
  flat["penalty.deny_for"] = format_duration(penalty.deny_for);
  flat["penalty.grow"] = std::to_string(penalty.grow);
  flat["penalty.at_most"] = format_duration(penalty.at_most);
}

void put_override(Flat& flat, const std::string& prefix, const Override& from) {
  const std::string base = "overrides[" + prefix + "].";
  const auto put_count = [&](const std::string& key, const auto& limit) {
    if (!limit) return;
    flat[base + key] = limit->value ? std::to_string(*limit->value) : std::string(kUnlimited);
  };
  const auto put_override_rate = [&](const std::string& key, const auto& limit) {
    if (!limit) return;
    if (!limit->value) flat[base + key] = kUnlimited;
    put_rate(flat, base + key, limit->value);
  };
  if (from.exempt) flat[base + "exempt"] = "true";
  put_count("connections.per_client", from.per_client);
  put_count("connections.per_network", from.per_network);
  put_override_rate("new_connections.per_client", from.client_rate);
  put_override_rate("new_connections.per_network", from.network_rate);
}

std::string interface_text(const XdpInterface& interface) {
  const std::string name = scalar_text(interface.name);
  if (interface.mode == XdpMode::kAuto) return name;
  return "{ name: " + name + ", mode: " + std::string(word_for(kXdpModes, interface.mode)) + " }";
}

// In their order: of two that match, the first one holds.
std::string interfaces_text(const Xdp& xdp) {
  std::string text;
  for (const XdpInterface& interface : xdp.interfaces) {
    text += (text.empty() ? "" : ", ") + interface_text(interface);
  }
  return "[" + text + "]";
}

}  // namespace

Flat flatten(const Xdp& xdp) {
  return {{"xdp.interfaces", interfaces_text(xdp)},
          {"xdp.syn_cookies", std::string(word_for(kSynCookies, xdp.syn_cookies))},
          {"xdp.priority", std::to_string(xdp.priority)}};
}

Flat flatten(const Rule& rule) {
  Flat flat;
  flat["listen"] = listen_text(rule);
  put_number(flat, "connections.per_client", rule.connections.per_client);
  put_number(flat, "connections.per_network", rule.connections.per_network);
  put_number(flat, "connections.total", rule.connections.total);
  if (rule.connections.total) put_number(flat, "connections.reserve", rule.connections.reserve);
  put_rate(flat, "new_connections.per_client", rule.new_connections.per_client);
  put_rate(flat, "new_connections.per_network", rule.new_connections.per_network);
  put_rate(flat, "new_connections.total", rule.new_connections.total);
  if (rule.penalty) put_penalty(flat, *rule.penalty);
  for (const Override& one : rule.overrides) {
    for (const Prefix& prefix : one.clients) put_override(flat, prefix.to_string(), one);
  }
  put_settings(flat, rule.settings);
  return flat;
}

}  // namespace headgate::config
