// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <google/protobuf/repeated_ptr_field.h>

namespace headgate::cli {

// "1 client", "2 clients"
std::string count_of(std::uint64_t count, const std::string& one, const std::string& many);
std::string count_of(std::uint64_t count, const std::string& one);  // many: with an s

// "1,234,567"
std::string grouped(std::uint64_t number);

// For a reader, to two units: "20 ms", "3 m 20 s", "2 d 4 h". Below a second: "20 ms", "450 us".
std::string readable(std::chrono::nanoseconds duration);

// Without zeros at the end, at most one digit after the point: "12", "12.5".
std::string readable(double number);

// "2030-01-01 00:00:00 UTC"
std::string utc(std::int64_t unix_seconds);
// RFC 3339 with the fraction: "2030-01-01T00:00:00.123456Z"
std::string utc_with_fraction(std::int64_t unix_nanoseconds);

std::string joined(const google::protobuf::RepeatedPtrField<std::string>& parts);

// What a terminal would take for a command, made visible: control characters as \xNN.
std::string safe(const std::string& text);

}  // namespace headgate::cli
