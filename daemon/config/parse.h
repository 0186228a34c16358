// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/config/overlay.h"

namespace headgate::config {

// Larger files are refused before they are parsed, to bound the memory that parsing takes: at most
// 1.5 GiB for the worst file (see kMaxBrackets). Enough for 100,000 prefixes written in full.
inline constexpr std::size_t kMaxFileBytes = 12 * 1024 * 1024;

// Parses and validates YAML text. `file` only names it in messages. Pure: no I/O. Thread-safe.
// Errors are kInvalidArgument, "file:line:col: what is wrong, what would be right". Rule files of
// quotas are not read: load() does.
// With settings: overlay.h.
Result<Config> parse(std::string_view text, const std::string& file);

// Reads `path`, a regular file, and parses it with the settings in the file beside it
// (settings_file.h), and the rule files that it names (rule_files.h). Adds the errors of read_file
// (file.h).
Result<Config> load(const std::string& path);

// The same with these settings instead.
Result<Config> load(const std::string& path, const std::vector<Setting>& settings);

// A configuration, and the settings from the file beside it that are in it.
struct Loaded {
  Config config;
  std::vector<Setting> settings;
};
Result<Loaded> load_with_settings(const std::string& path);

}  // namespace headgate::config
