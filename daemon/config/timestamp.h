// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace headgate::config {

// A moment as RFC 3339 writes it, in whole seconds: "2030-01-01T00:00:00Z" or, with the offset from
// UTC, "2030-01-01T02:00:00+02:00". In UTC between 1970-01-01T00:00:00Z and 2200-12-31T23:59:59Z.
// None for anything else: a day that the month does not have, 24:00, second 60, a fraction.
std::optional<std::chrono::sys_seconds> parse_timestamp(std::string_view text);

// In UTC: "2030-01-01T00:00:00Z". The year has four digits: only for what parse_timestamp gives.
std::string format_timestamp(std::chrono::sys_seconds time);

}  // namespace headgate::config
