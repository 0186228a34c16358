// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bpf/abi.h"
#include "common/result.h"
#include "daemon/config/config.h"

namespace headgate::policy {

using RuleId = std::uint16_t;  // 1 .. HG_MAX_RULES - 1

// The id of the rule that stands at `index` in the configuration, and back.
constexpr RuleId rule_id(std::size_t index) {
  return static_cast<RuleId>(index + 1);
}
constexpr std::size_t rule_index(RuleId id) {
  return static_cast<std::size_t>(id) - 1;
}

// How many keys `Policy::listen` may have: one for each port of each entry with an address.
inline constexpr std::size_t kMaxListenEntries = 65'536;

struct CompiledRule {
  std::string name;
  hg_rule limits{};
};

// What the kernel's policy maps will hold: values, ready to be written. Immutable.
struct Policy {
  std::map<RuleId, CompiledRule> rules;
  std::map<std::uint16_t, hg_port> ports;                // by local port; no entry: no rule
  std::vector<std::pair<hg_listen_key, RuleId>> listen;  // no two keys alike, sorted
};

// Compiles a valid configuration. Rule ids are given in file order from 1. Pure, thread-safe.
// `file` names the configuration in messages. Errors (kInvalidArgument, "file:line:col: …"): two
// `listen` entries that claim the same port and address prefix; more than kMaxListenEntries.
Result<Policy> compile(const config::Config& config, const std::string& file);

}  // namespace headgate::policy
