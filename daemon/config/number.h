// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace headgate::config {

// "0" or decimal digits that do not begin with 0: no sign, no point, no exponent, no underscore, no
// hexadecimal and no octal, which YAML versions read differently. None if it is not that or does
// not fit.
std::optional<std::uint64_t> parse_whole_number(std::string_view text);

// A whole number and its unit, without a space: "500ms", "10s", "1m", "1h".
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// In the largest unit that needs no fraction: "90s", "1h".
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace headgate::config
