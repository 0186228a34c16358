// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/evict.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>

#include "daemon/kernel/address.h"

namespace headgate::manage {
namespace {

using Key = std::tuple<policy::RuleId, IpAddress>;

// The network that a connection is counted for, as an address; cut at `bits` of 128.
IpAddress cut(const hg_address& client, unsigned bits) {
  IpAddress::Bytes bytes = kernel::to_ip(client).bytes();
  for (unsigned bit = bits; bit < 128; ++bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> (bit % 8)));
  }
  return IpAddress(bytes);
}

using Counts = std::array<std::uint32_t*, 3>;  // client, network, total; null: not counted

struct Account {
  std::map<Key, std::uint32_t> clients;
  std::map<Key, std::uint32_t> networks;
  std::map<policy::RuleId, std::uint32_t> totals;

  // The counts that one connection is in.
  Counts counts_of(const hg_live& live) {
    return {&clients[{live.rule, kernel::to_ip(live.client)}],
            live.network_bits == HG_NO_NETWORK
                ? nullptr
                : &networks[{live.rule, cut(live.client, live.network_bits)}],
            &totals[live.rule]};
  }

  void add(const hg_live& live) {
    for (std::uint32_t* count : counts_of(live)) {
      if (count != nullptr) ++*count;
    }
  }
};

Prefix host(const hg_live& live) {
  const IpAddress remote = kernel::to_ip(live.remote);
  return {remote, static_cast<std::uint8_t>(remote.family() == IpFamily::kIpv4 ? 32 : 128)};
}

const policy::PrefixEntry* find_override(const policy::Policy& policy, const hg_live& live) {
  return policy::longest_match(policy, HG_PREFIX_OVERRIDE, live.rule, host(live));
}

using Limits = std::array<std::uint32_t, 3>;  // client, network, total

Limits limits_of(const policy::Policy& policy, const hg_rule& rule, const hg_live& live) {
  const policy::PrefixEntry* const override = find_override(policy, live);
  const hg_limits& limits = override == nullptr ? rule.limits : override->second.limits;
  return {limits.per_client, limits.per_network, rule.total};
}

}  // namespace

bool is_exempt(const policy::Policy& policy, const hg_live& connection) {
  if (policy::longest_match(policy, HG_PREFIX_EXEMPT, 0, host(connection)) != nullptr) return true;
  const policy::PrefixEntry* const override = find_override(policy, connection);
  return override != nullptr && override->second.exempt != 0;
}

// As if none of them were open yet: first those that stay in any case, then the others, the oldest
// first, each if it has room.
std::vector<hg_live> find_excess(const policy::Policy& policy, std::vector<hg_live> live,
                                 const Prefix& cidr) {
  std::sort(live.begin(), live.end(), [](const hg_live& a, const hg_live& b) {
    return std::tuple(a.opened, a.cookie) < std::tuple(b.opened, b.cookie);
  });
  Account account;
  std::vector<std::pair<hg_live, Limits>> closable;
  for (const hg_live& connection : live) {
    const auto rule = policy.rules.find(connection.rule);
    if (rule != policy.rules.end() && kernel::is_within(connection.remote, cidr) &&
        !is_exempt(policy, connection)) {
      closable.emplace_back(connection, limits_of(policy, rule->second.limits, connection));
    } else {
      account.add(connection);
    }
  }
  std::vector<hg_live> excess;
  for (const auto& [connection, limits] : closable) {
    const Counts counts = account.counts_of(connection);
    bool has_room = true;
    for (std::size_t level = 0; level < counts.size(); ++level) {
      if (counts[level] != nullptr && *counts[level] >= limits[level]) has_room = false;
    }
    if (has_room) {
      account.add(connection);
    } else {
      excess.push_back(connection);
    }
  }
  std::reverse(excess.begin(), excess.end());
  return excess;
}

}  // namespace headgate::manage
