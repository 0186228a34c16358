// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "daemon/config/difference.h"

namespace headgate::config {

// What the parts of difference() have in common.

using Flat = std::map<std::string, std::string>;

struct Count {
  std::size_t added = 0;
  std::size_t removed = 0;
  std::size_t changed = 0;

  std::size_t all() const { return added + removed + changed; }
  // "3 added, 1 removed"; "" if nothing is.
  std::string text() const;
};

// How two maps differ, by key.
template <typename Map>
Count compare(const Map& from, const Map& to) {
  Count count;
  for (const auto& [key, value] : from) {
    const auto other = to.find(key);
    if (other == to.end()) {
      ++count.removed;
    } else if (other->second != value) {
      ++count.changed;
    }
  }
  for (const auto& [key, value] : to) {
    if (!from.contains(key)) ++count.added;
  }
  return count;
}

// A Change for each key whose value differs, `prefix` before its name.
void add_changed_keys(const Flat& from, const Flat& to, Change::Kind kind, const std::string& rule,
                      std::vector<Change>& into, const std::string& prefix = "");

}  // namespace headgate::config
