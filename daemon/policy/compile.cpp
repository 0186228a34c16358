// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "daemon/policy/claims.h"
#include "daemon/policy/limits.h"
#include "daemon/policy/numbers.h"
#include "daemon/policy/policy.h"

namespace headgate::policy {
namespace {

void add_prefix(Policy& policy, const Prefix& prefix, hg_prefix_kind kind, std::uint16_t selector,
                hg_prefix value) {
  const hg_prefix_key key = key_of(prefix, kind, selector);
  value.bits = static_cast<std::uint16_t>(key.prefix_bits);
  policy.prefixes.emplace_back(key, value);
}

bool same_bytes(const hg_address& a, const hg_address& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

// Are a rule's clients and networks told apart in the same way?
bool has_same_keys(const hg_rule& a, const hg_rule& b) {
  const bool counts_networks = (a.flags & HG_COUNT_NETWORKS) != 0;
  if (counts_networks != ((b.flags & HG_COUNT_NETWORKS) != 0)) return false;
  if (counts_networks &&
      (a.ipv4_network_bits != b.ipv4_network_bits || a.ipv6_network_bits != b.ipv6_network_bits)) {
    return false;
  }
  return same_bytes(a.ipv4_mask, b.ipv4_mask) && same_bytes(a.ipv6_mask, b.ipv6_mask);
}

// The ports that TCP connections are counted for.
std::vector<std::pair<std::uint16_t, hg_port>> tcp_ports(const Policy& policy) {
  std::vector<std::pair<std::uint16_t, hg_port>> found;
  std::copy_if(policy.ports.begin(), policy.ports.end(), std::back_inserter(found),
               [](const auto& entry) {
                 return entry.second.rule != HG_NO_RULE || entry.second.has_addresses != 0;
               });
  return found;
}

std::vector<PrefixEntry> listen_prefixes(const Policy& policy) {
  std::vector<PrefixEntry> found;
  std::copy_if(policy.prefixes.begin(), policy.prefixes.end(), std::back_inserter(found),
               [](const PrefixEntry& entry) { return entry.first.kind == HG_PREFIX_LISTEN; });
  return found;
}

}  // namespace

bool is_before(const hg_prefix_key& a, const hg_prefix_key& b) {
  return std::memcmp(&a, &b, sizeof(a)) < 0;
}

hg_prefix_key key_of(const Prefix& prefix, hg_prefix_kind kind, std::uint16_t selector) {
  const IpFamily family = prefix.address.family();
  hg_prefix_key key{};
  key.prefix_bits = HG_PREFIX_FIXED_BITS + prefix.length;
  key.selector = selector;
  key.kind = static_cast<std::uint8_t>(kind);
  key.family = static_cast<std::uint8_t>(family);
  const std::size_t skipped = family == IpFamily::kIpv4 ? 12 : 0;
  const IpAddress::Bytes& bytes = prefix.address.bytes();
  std::memcpy(key.address, bytes.data() + skipped, bytes.size() - skipped);
  return key;
}

Prefix prefix_of(const hg_prefix_key& key) {
  IpAddress::Bytes bytes{};
  const bool is_ipv4 = key.family == static_cast<std::uint8_t>(IpFamily::kIpv4);
  if (is_ipv4) bytes[10] = bytes[11] = 0xff;
  const std::size_t skipped = is_ipv4 ? 12 : 0;
  std::memcpy(bytes.data() + skipped, key.address, bytes.size() - skipped);
  return Prefix::of(IpAddress(bytes),
                    static_cast<std::uint8_t>(key.prefix_bits - HG_PREFIX_FIXED_BITS));
}

const PrefixEntry* longest_match(const Policy& policy, hg_prefix_kind kind, std::uint16_t selector,
                                 const Prefix& clients) {
  for (int length = clients.length; length >= 0; --length) {
    const Prefix wider = Prefix::of(clients.address, static_cast<std::uint8_t>(length));
    const hg_prefix_key key = key_of(wider, kind, selector);
    const auto found = std::lower_bound(policy.prefixes.begin(), policy.prefixes.end(), key,
                                        [](const PrefixEntry& entry, const hg_prefix_key& wanted) {
                                          return is_before(entry.first, wanted);
                                        });
    if (found != policy.prefixes.end() && std::memcmp(&found->first, &key, sizeof(key)) == 0) {
      return &*found;
    }
  }
  return nullptr;
}

Result<Policy> compile(const config::Config& config, const std::string& file,
                       const Numbers& previous) {
  Policy policy;
  Result<Numbers> numbers = number(config, file, previous);
  if (!numbers) return tl::unexpected(numbers.error());
  policy.numbers = *std::move(numbers);
  Claims claims(file);
  for (std::size_t index = 0; index < config.rules.size(); ++index) {
    const config::Rule& rule = config.rules[index];
    const RuleId id = policy.numbers.rules.at(rule.name);
    const hg_rule compiled = compile_rule(rule, policy.numbers, config.clients);
    policy.rules[id] = CompiledRule{rule.name, index, compiled};
    for (const config::Listen& listen : rule.listen) {
      const Result<void> added = claims.add(id, rule, listen);
      if (!added) return tl::unexpected(added.error());
    }
    for (const config::Override& override : rule.overrides) {
      const hg_prefix value = compile_override(override, compiled);
      for (const Prefix& clients : override.clients) {
        add_prefix(policy, clients, HG_PREFIX_OVERRIDE, id, value);
      }
    }
  }
  for (const config::Exempt& exempt : config.clients.exempt) {
    add_prefix(policy, exempt.cidr, HG_PREFIX_EXEMPT, 0, {});
  }
  for (const config::Deny& deny : config.clients.deny) {
    hg_prefix value{};
    value.until_ns = HG_FOR_GOOD;
    if (deny.until) {
      const auto since_epoch = std::chrono::nanoseconds(deny.until->time_since_epoch());
      value.until_ns = static_cast<__u64>(since_epoch.count());
    }
    add_prefix(policy, deny.cidr, HG_PREFIX_DENIED, 0, value);
  }
  claims.write_to(policy);
  std::sort(policy.prefixes.begin(), policy.prefixes.end(),
            [](const PrefixEntry& a, const PrefixEntry& b) { return is_before(a.first, b.first); });
  return policy;
}

bool changes_keys(const Policy& from, const Policy& to) {
  const auto same_rule = [](const auto& a, const auto& b) {
    return a.first == b.first && has_same_keys(a.second.limits, b.second.limits);
  };
  const auto same_port = [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.rule == b.second.rule &&
           a.second.has_addresses == b.second.has_addresses;
  };
  const auto same_listen = [](const PrefixEntry& a, const PrefixEntry& b) {
    return std::memcmp(&a.first, &b.first, sizeof(a.first)) == 0 && a.second.rule == b.second.rule;
  };
  const auto from_ports = tcp_ports(from);
  const auto to_ports = tcp_ports(to);
  const auto from_listen = listen_prefixes(from);
  const auto to_listen = listen_prefixes(to);
  return !std::equal(from.rules.begin(), from.rules.end(), to.rules.begin(), to.rules.end(),
                     same_rule) ||
         !std::equal(from_ports.begin(), from_ports.end(), to_ports.begin(), to_ports.end(),
                     same_port) ||
         !std::equal(from_listen.begin(), from_listen.end(), to_listen.begin(), to_listen.end(),
                     same_listen) ||
         from.groups != to.groups;
}

}  // namespace headgate::policy
