// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "daemon/config/overlay.h"

namespace headgate::config {

// The file beside the configuration that keeps settings over restarts. One program writes it at a
// time: the daemon.
//
//   set:
//     - { rule: web, key: connections.per_client, value: 200 }

// "/etc/headgate/headgate.yaml" has "/etc/headgate/headgate.set.yaml".
std::string settings_path(const std::string& config_path);

// Reads its text. `file` only names it in messages. Pure. Errors are kInvalidArgument,
// "file:line:col: …". Whether the rules and keys exist is for parse() to say.
Result<std::vector<Setting>> parse_settings(std::string_view text, const std::string& file);

// The text for them. Errors are kInvalidArgument: a value that is not one YAML value.
Result<std::string> format_settings(const std::vector<Setting>& settings);

// A file that does not exist has none. Errors as load() and parse_settings().
Result<std::vector<Setting>> load_settings(const std::string& path);

// Replaces the file at once, on disk when this returns: whatever fails, the file is the old or the
// new one as a whole. Mode 0644.
Result<void> save_settings(const std::string& path, const std::vector<Setting>& settings);

}  // namespace headgate::config
