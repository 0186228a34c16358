// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "daemon/config/config.h"

namespace headgate::config {

// A rule file of `quotas.rule_files` as it was read.
struct RuleFile {
  std::string path;
  std::string text;

  friend bool operator==(const RuleFile&, const RuleFile&) = default;
};
inline constexpr std::size_t kMaxRuleFiles = 1000;

// Reads those that the configuration names, each once, in order of path. A pattern stands for the
// regular files that match it, and may match none; a path must exist. Errors as read_file (file.h),
// but kInvalidArgument for what does not exist: the configuration is wrong.
Result<std::vector<RuleFile>> read_rule_files(const Quotas& quotas);

// Adds their domains to those there are. Pure. Errors as parse_rule_file, and kInvalidArgument for
// a domain that is there already.
Result<void> add_rule_files(const std::vector<RuleFile>& files, Quotas& into);

}  // namespace headgate::config
