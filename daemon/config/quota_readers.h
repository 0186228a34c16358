// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "daemon/config/quota.h"
#include "daemon/config/value.h"

namespace headgate::config {

// What the quotas of the configuration and the rule files have in common. All fail as Value does.

// "minute", in any case; never kUnknown.
Result<QuotaUnit> read_quota_unit(const Value& value);
// 0 if it is none of them.
std::chrono::milliseconds period_of(QuotaUnit unit);
// kUnknown if it is none of them.
QuotaUnit unit_of(std::chrono::milliseconds period);

// Judges a rule that was read from `map`.
Result<void> check_quota_rule(const QuotaRule& rule, const Value& map);

// `quotas.domains` of the configuration.
Result<void> read_quota_domains(const Value& value, std::vector<QuotaDomain>& into);
Result<void> read_quota_rules(const Value& value, std::vector<QuotaRule>& into);
Result<void> read_client_quotas(const Value& value, std::vector<ClientQuota>& into);

// Things that may stand once in a list, by name.
class DistinctNames {
 public:
  // The second time it is an error at `place` that names the first: "duplicate WHAT 'name', …".
  Result<void> add(const Value& place, std::string_view what, const std::string& name);

 private:
  std::unordered_map<std::string, Position> first_;
};

}  // namespace headgate::config
