// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/config/config.h"

namespace headgate::config {

// "0" or decimal digits that do not begin with 0: no sign, no point, no exponent, no underscore, no
// hexadecimal and no octal, which YAML versions read differently. None if it is not that or does
// not fit.
std::optional<std::uint64_t> parse_whole_number(std::string_view text);

// A whole number as above, or one with digits after a point: "0.5". At most 15 digits each.
std::optional<double> parse_decimal(std::string_view text);

// The shortest text without exponent that parse_decimal reads as the same number.
std::string format_decimal(double number);

// A whole number and its unit, without a space: "500ms", "10s", "1m", "1h", "1d".
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// In the largest unit that needs no fraction: "90s", "1h".
std::string format_duration(std::chrono::milliseconds duration);

// A whole number and the time it is for, "50/s", "100/m" or "1/h": from 1/h to 1000000/s, the
// number at most 1000000000. The burst is one second's worth, rounded up.
std::optional<RateLimit> parse_rate(std::string_view text);

// "50/s", without the burst.
std::string format_rate(const RateLimit& rate);

}  // namespace headgate::config
