// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/group_finder.h"

#include <algorithm>
#include <set>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/kernel/cgroup.h"

namespace headgate::manage {
namespace {

// What a group is called without its kind: see policy::Numbers.
std::string name_in(const std::string& group) {
  return group.substr(group.find(':') + 1);
}

bool is_unit(const std::string& group) {
  return group.starts_with("unit:");
}

std::string join(const std::vector<std::string>& paths) {
  std::string all;
  for (const std::string& path : paths) all += (all.empty() ? "" : ", ") + path;
  return all;
}

}  // namespace

std::vector<kernel::GroupCgroup> GroupFinder::find(const policy::Policy& policy) {
  if (policy.groups.empty()) return {};
  const auto root = kernel::find_cgroup2();
  return root ? find_below(*root, policy) : std::vector<kernel::GroupCgroup>();
}

std::vector<kernel::GroupCgroup> GroupFinder::find_below(const std::string& root,
                                                         const policy::Policy& policy) {
  std::set<std::string> units;
  for (const auto& [name, number] : policy.numbers.groups) {
    if (is_unit(name)) units.insert(name_in(name));
  }
  const kernel::UnitCgroups found = kernel::find_units(root, units);
  std::erase_if(chosen_, [&found](const auto& one) { return found.count(one.first) == 0; });
  std::erase_if(told_, [&found](const auto& one) { return found.count(one.first) == 0; });
  std::vector<kernel::GroupCgroup> groups;
  for (const auto& [name, number] : policy.numbers.groups) {
    if (!is_unit(name)) {
      groups.push_back({number, root + "/" + name_in(name)});
    } else if (const auto unit = found.find(name_in(name)); unit != found.end()) {
      groups.push_back({number, choose(unit->first, unit->second)});
    }
  }
  return groups;
}

const std::string& GroupFinder::choose(const std::string& unit,
                                       const std::vector<std::string>& paths) {
  std::string& chosen = chosen_[unit];
  if (std::find(paths.begin(), paths.end(), chosen) == paths.end()) chosen = paths.front();
  if (paths.size() == 1) {
    told_.erase(unit);
  } else if (told_[unit] != paths) {
    told_[unit] = paths;
    spdlog::warn("there are {} cgroups with the name of unit {} ({}): its rule covers {}",
                 paths.size(), unit, join(paths), chosen);
  }
  return chosen;
}

}  // namespace headgate::manage
