// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "common/result.h"

namespace headgate::cli {

// A line of a file with CIDRs, checked. `cidr` is as Prefix::to_string writes it.
struct DenyLine {
  std::string cidr;
  std::string reason;  // empty: none
};

// One CIDR a line, and what follows it is the reason. A `#` at the beginning of the line or of the
// reason begins a comment. `name` stands for the file in messages. Errors are kInvalidArgument, one
// line "name:line: …" for each of the first few that are wrong.
Result<std::vector<DenyLine>> read_deny_lines(std::istream& input, const std::string& name);
// From a regular file or a pipe; "-" is standard input. Adds kNotFound, kPermissionDenied.
Result<std::vector<DenyLine>> read_deny_file(const std::string& path);

// When a denial ends, in ms since 1970: `duration` ("10m", "1d") from now on. Errors are
// kInvalidArgument.
Result<std::int64_t> expiry_after(const std::string& duration,
                                  std::chrono::system_clock::time_point now);
// "2030-01-01T00:00:00Z"; has to be after `now`.
Result<std::int64_t> expiry_at(const std::string& time, std::chrono::system_clock::time_point now);

}  // namespace headgate::cli
