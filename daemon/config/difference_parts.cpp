// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/difference_parts.h"

#include <string_view>
#include <utility>

namespace headgate::config {
namespace {

constexpr std::string_view kNone = "none";

std::string value_of(const Flat& flat, const std::string& key) {
  const auto found = flat.find(key);
  return found != flat.end() ? found->second : std::string(kNone);
}

}  // namespace

std::string Count::text() const {
  std::string out;
  for (const auto& [number, what] : {std::pair(added, " added"), std::pair(removed, " removed"),
                                     std::pair(changed, " changed")}) {
    if (number > 0) out += (out.empty() ? "" : ", ") + std::to_string(number) + what;
  }
  return out;
}

void add_changed_keys(const Flat& from, const Flat& to, Change::Kind kind, const std::string& rule,
                      std::vector<Change>& into, const std::string& prefix) {
  Flat both = from;
  both.insert(to.begin(), to.end());
  for (const auto& [key, value] : both) {
    const std::string before = value_of(from, key);
    const std::string after = value_of(to, key);
    if (before != after) into.push_back({kind, rule, prefix + key, before, after});
  }
}

}  // namespace headgate::config
