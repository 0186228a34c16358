// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bpf/abi.h"
#include "common/result.h"
#include "daemon/config/config.h"

namespace headgate::policy {

using RuleId = std::uint16_t;   // 1 .. HG_MAX_RULES - 1
using GroupId = std::uint16_t;  // 1 .. HG_MAX_GROUPS - 1

// How many keys of kinds HG_PREFIX_LISTEN and HG_PREFIX_LISTEN_UDP a policy may have: one for each
// port of each `listen` entry with an address.
inline constexpr std::size_t kMaxListenEntries = 65'536;

// What a configuration's names stand for in the kernel. A name keeps its number as long as it is
// there; a number that becomes free is given out again as late as possible.
struct Numbers {
  std::map<std::string, RuleId> rules;                           // by name
  std::vector<std::pair<config::Reply, std::uint32_t>> replies;  // places among HG_MAX_REPLIES
  RuleId last_rule = HG_NO_RULE;                                 // given out last
  std::map<std::string, GroupId> groups;  // by group_name(); places among HG_MAX_GROUPS
  GroupId last_group = 0;                 // given out last
};
// Different replies and groups in one policy: half the places, so that two policies never share
// one.
inline constexpr std::size_t kMaxReplies = HG_MAX_REPLIES / 2;
inline constexpr std::size_t kMaxGroups = (HG_MAX_GROUPS - 1) / 2;

struct CompiledRule {
  std::string name;
  std::size_t index = 0;  // in Config::rules
  hg_rule limits{};
};

using PrefixEntry = std::pair<hg_prefix_key, hg_prefix>;

// What one slot of the kernel's policy maps will hold: values, ready to be written. Immutable.
struct Policy {
  std::map<RuleId, CompiledRule> rules;
  std::map<std::uint16_t, hg_port> ports;  // by local port; no entry: no rule
  std::vector<PrefixEntry> prefixes;       // sorted by is_before, no two keys alike
  std::map<GroupId, RuleId> groups;        // the rule of whatever the group listens on
  Numbers numbers;
};

// How Numbers call a `listen` entry that is a group: "unit:nginx.service",
// "cgroup:system.slice/nginx.service".
std::string group_name(const config::Listen& listen);

// Orders keys; any order does, as long as it is one.
bool is_before(const hg_prefix_key& a, const hg_prefix_key& b);

// The key of a prefix of local addresses or clients; see enum hg_prefix_kind for `selector`.
hg_prefix_key key_of(const Prefix& prefix, hg_prefix_kind kind, std::uint16_t selector);

// The prefix that such a key stands for.
Prefix prefix_of(const hg_prefix_key& key);

// The entry with the longest prefix that holds all of `clients`, as the kernel would find it; null
// if there is none.
const PrefixEntry* longest_match(const Policy& policy, hg_prefix_kind kind, std::uint16_t selector,
                                 const Prefix& clients);

// Compiles a valid configuration. `previous`: the numbers of the policy that this one follows.
// Pure, thread-safe. `file` names the configuration in messages. Errors (kInvalidArgument,
// "file:line:col: …"): two `listen` entries that claim the same port and address prefix, or the
// same group; more than kMaxListenEntries; more than kMaxReplies different replies or kMaxGroups
// groups.
Result<Policy> compile(const config::Config& config, const std::string& file,
                       const Numbers& previous = {});

// Must live connections be counted anew when `to` follows `from`: are rules or clients told apart
// in another way?
bool changes_keys(const Policy& from, const Policy& to);

}  // namespace headgate::policy
