// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace headgate::config {

// What text without quotes is in the rule files of envoyproxy/ratelimit, whose YAML library
// (gopkg.in/yaml.v2) goes by YAML 1.1. Our own configuration is stricter (value.h).

// A whole number that fits an int64: "5", "+5", "1_000", "0x1f", "0o17", "017" (octal), "0b11".
std::optional<std::int64_t> yaml11_integer(std::string_view text);

// A number that is none of these: "1.5", ".5", "1e3", ".inf", ".NaN", or one too large.
bool is_yaml11_float(std::string_view text);

// y, yes, true, on, n, no, false, off; also "Yes" and "YES".
std::optional<bool> yaml11_truth(std::string_view text);

}  // namespace headgate::config
