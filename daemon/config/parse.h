// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "daemon/config/config.h"

namespace headgate::config {

// Larger files are refused before they are parsed: the YAML library holds a whole bracketed list in
// memory, up to some 250 bytes for each of the file's. Enough for 40,000 `listen` entries.
inline constexpr std::size_t kMaxFileBytes = 1024 * 1024;

// Parses and validates YAML text. `file` only names it in messages. Pure: no I/O. Thread-safe.
// Errors are kInvalidArgument, "file:line:col: what is wrong, what would be right".
Result<Config> parse(std::string_view text, const std::string& file);

// Reads `path`, a regular file, and parses it. Adds kNotFound, kPermissionDenied, and
// kInvalidArgument for what is no regular file or too large; these say "path: …". Never blocks on a
// FIFO or a device.
Result<Config> load(const std::string& path);

}  // namespace headgate::config
