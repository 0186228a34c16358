// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/config/value.h"

namespace headgate::config {

// The parts of parse(), each with its own file. All fail as Value does.

// The tree of a file; one without content is an error that proposes `minimal`.
Result<Node> parse_tree(std::string_view text, const std::string& file, std::string_view minimal);

// The settings of `defaults` or of a rule as far as they are read, with what must be known to
// judge them together.
struct DraftSettings {
  RuleSettings values;
  std::optional<Reply> reply;            // written, also where `on_limit` has no use for it
  bool network_prefix_ipv4_set = false;  // written by the user, not our default
  bool network_prefix_ipv6_set = false;
};

// The keys that `defaults` and every rule share.
std::vector<Field> setting_fields(DraftSettings& into);
// Judges them together: `map` is the rule, or `defaults`, that they were read from.
Result<RuleSettings> settle(const DraftSettings& draft, const Value& map);
// As far as that can be judged for `defaults`, whose settings a rule may complete.
Result<void> settle_defaults(DraftSettings& draft, const Value& map);

// limits: a number or the word `unlimited`
Result<std::optional<std::uint32_t>> read_connection_limit(const Value& value);
// "50/s", { rate: 50/s, burst: 100 } or the word `unlimited`
Result<std::optional<RateLimit>> read_rate_limit(const Value& value);
Result<void> read_connections(const Value& value, ConnectionLimits& into);
Result<void> read_new_connections(const Value& value, NewConnectionLimits& into);
Result<void> read_penalty(const Value& value, std::optional<Penalty>& into);

// ADDRESS:PORT, or `off` for none
Result<void> read_endpoint(const Value& value, std::optional<std::string>& into);

Result<void> read_overrides(const Value& value, std::vector<Override>& into);
Result<void> read_rules(const Value& value, const DraftSettings& defaults, std::vector<Rule>& into);
Result<void> read_clients(const Value& value, Clients& into);
Result<void> read_netns(const Value& value, Namespaces& into);
Result<void> read_xdp(const Value& value, Xdp& into);
Result<void> read_quotas(const Value& value, Quotas& into);

// The prefixes of a list in which each may stand once.
class DistinctPrefixes {
 public:
  // Reads one; the second time it is an error that names the first.
  Result<Prefix> read(const Value& value);

 private:
  std::unordered_map<Prefix, Position> first_;
};

}  // namespace headgate::config
