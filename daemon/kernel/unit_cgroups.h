// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace headgate::kernel {

// The directories of systemd's units, by the units' names; none for a unit that does not run.
using UnitCgroups = std::map<std::string, std::vector<std::string>>;

// Finds these units below `root`, the mount point of cgroup2. Units of the system's manager lie in
// slices only. What lies in another unit is named by whoever has that unit, such as a user or a
// container, and is none of them. Systemd gives a name once, other programs may make a second
// directory of that name: those in system.slice come first, then it goes by their paths.
UnitCgroups find_units(const std::string& root, const std::set<std::string>& units);

}  // namespace headgate::kernel
