// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/unit_cgroups.h"

#include <system_error>

#include <algorithm>
#include <filesystem>
#include <tuple>

namespace headgate::kernel {
namespace {

namespace fs = std::filesystem;

// `slice` is the root or a slice. A group that goes meanwhile may be missing.
void look_in(const fs::path& slice, const std::set<std::string>& units, UnitCgroups& found) {
  std::error_code error;
  for (fs::directory_iterator entry(slice, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_directory(gone) || entry->is_symlink(gone)) continue;
    const std::string name = entry->path().filename();
    if (units.count(name) > 0) found[name].push_back(entry->path());
    if (name.ends_with(".slice")) look_in(entry->path(), units, found);
  }
}

}  // namespace

UnitCgroups find_units(const std::string& root, const std::set<std::string>& units) {
  UnitCgroups found;
  if (units.empty()) return found;
  look_in(root, units, found);
  const std::string system = (fs::path(root) / "system.slice" / "").string();
  const auto rank = [&system](const std::string& path) {
    return std::tuple(!path.starts_with(system), path);
  };
  for (auto& [name, paths] : found) {
    std::sort(paths.begin(), paths.end(),
              [&rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
  }
  return found;
}

}  // namespace headgate::kernel
