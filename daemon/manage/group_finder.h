// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/kernel/limiter.h"
#include "daemon/kernel/unit_cgroups.h"
#include "daemon/policy/policy.h"

namespace headgate::manage {

// Finds where the groups of a policy are now. Of several directories with a unit's name it takes
// one and says so, once; a unit keeps the one it has for as long as that is there. Not thread-safe.
class GroupFinder {
 public:
  // Groups that are nowhere are left out.
  std::vector<kernel::GroupCgroup> find(const policy::Policy& policy);
  // The same below another directory than the mount point of cgroup2.
  std::vector<kernel::GroupCgroup> find_below(const std::string& root,
                                              const policy::Policy& policy);

 private:
  const std::string& choose(const std::string& unit, const std::vector<std::string>& paths);

  std::map<std::string, std::string> chosen_;  // by unit
  kernel::UnitCgroups told_;                   // what was ambiguous at the last look
};

}  // namespace headgate::manage
