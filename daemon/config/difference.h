// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace headgate::config {

// One way in which two configurations differ.
struct Change {
  enum class Kind {
    kAdded,         // the rule
    kRemoved,       // the rule
    kChanged,       // `key`, of the rule or, if that is empty, of the whole configuration
    kNeedsRestart,  // `key`, which takes effect when the daemon starts the next time
  };
  Kind kind = Kind::kChanged;
  std::string rule;
  std::string key;   // as in flatten.h; empty for kAdded and kRemoved
  std::string from;  // "none" if it is not set; empty where `to` is a summary
  std::string to;

  friend bool operator==(const Change&, const Change&) = default;
};

// What a reload from one to the other changes; empty if nothing. Rules are the same by name, in any
// order. Lists that may be long come as a summary: "3 added, 1 removed, 2 changed" for
// `clients.exempt`, `clients.deny`, and for `overrides` where more than kMostOverrides prefixes
// differ. Order: the rules of `from`, those of `to`, `clients`, `quotas` (difference_quotas.h),
// what needs a restart.
std::vector<Change> difference(const Config& from, const Config& to);
inline constexpr std::size_t kMostOverrides = 20;

// "rule 'web': connections.per_client: 100 -> 200"
std::string to_string(const Change& change);

}  // namespace headgate::config
