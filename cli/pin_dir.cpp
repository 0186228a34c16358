// SPDX-License-Identifier: Apache-2.0
#include "cli/pin_dir.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "daemon/config/parse.h"

namespace headgate::cli {
namespace {

// What the configuration says: the defaults if none is named and the usual one is not there.
Result<config::Config> load(const std::string& config_file, const std::string& default_file) {
  if (!config_file.empty()) return config::load(config_file);
  auto config = config::load(default_file);
  if (!config && config.error().code == ErrorCode::kNotFound) return config::Config();
  return config;
}

}  // namespace

Result<PinDir> find_pin_dir(const std::string& pin_dir, const std::string& config_file,
                            const std::string& default_file) {
  if (!pin_dir.empty()) return PinDir{pin_dir, ""};
  const auto config = load(config_file, default_file);
  if (config) return PinDir{config->pin_dir, ""};
  if (!config_file.empty()) return tl::unexpected(config.error());
  const std::string usual = config::Config().pin_dir;
  return PinDir{usual, config.error().to_string() + "; looking in " + usual};
}

Result<PinDirs> find_pin_dirs(const std::string& pin_dir, const std::string& config_file,
                              const std::vector<std::string>& runtime_directories,
                              const std::string& default_file) {
  if (!pin_dir.empty()) return PinDirs{{pin_dir}, "", {}};
  const std::string file = config_file.empty() ? default_file : config_file;
  const auto config = load(config_file, default_file);
  std::set<std::string> directories(runtime_directories.begin(), runtime_directories.end());
  PinDirs found;
  if (config) {
    found.paths.push_back(config->pin_dir);
    directories.insert(std::filesystem::path(config->control_socket).parent_path());
  } else {
    found.note = config.error().to_string();
  }
  for (const std::string& directory : directories) {
    found.records.emplace_back(directory, file);
    auto recorded = found.records.back().list();
    if (!recorded) return tl::unexpected(recorded.error());
    for (auto path = recorded->rbegin(); path != recorded->rend(); ++path) {
      const bool is_known =
          std::find(found.paths.begin(), found.paths.end(), *path) != found.paths.end();
      if (!is_known) found.paths.push_back(*path);
    }
  }
  if (!found.paths.empty()) return found;
  return fail(
      "which directory has the limits is not known, headgatectl detach --pin-dir DIR would "
      "be right",
      config.error());
}

}  // namespace headgate::cli
