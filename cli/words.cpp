// SPDX-License-Identifier: Apache-2.0
#include "cli/words.h"

#include <cmath>
#include <cstdio>
#include <ctime>

namespace headgate::cli {
namespace {

struct Unit {
  std::int64_t nanoseconds;
  const char* name;
};
constexpr Unit kUnits[] = {{86'400'000'000'000, "d"}, {3'600'000'000'000, "h"},
                           {60'000'000'000, "m"},     {1'000'000'000, "s"},
                           {1'000'000, "ms"},         {1'000, "us"}};

std::string formatted(std::int64_t unix_seconds, const char* format) {
  const auto time = static_cast<std::time_t>(unix_seconds);
  std::tm fields{};
  gmtime_r(&time, &fields);
  char text[64];
  return std::string(text, std::strftime(text, sizeof(text), format, &fields));
}

}  // namespace

std::string count_of(std::uint64_t count, const std::string& one, const std::string& many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string count_of(std::uint64_t count, const std::string& one) {
  return count_of(count, one, one + "s");
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, ",");
  return text;
}

std::string readable(std::chrono::nanoseconds duration) {
  const std::int64_t total = duration.count();
  for (std::size_t i = 0; i < std::size(kUnits); ++i) {
    const Unit& unit = kUnits[i];
    if (total < unit.nanoseconds) continue;
    std::string text = std::to_string(total / unit.nanoseconds) + " " + unit.name;
    if (unit.nanoseconds < 60'000'000'000) return text;
    const Unit& next = kUnits[i + 1];
    const std::int64_t rest = total % unit.nanoseconds / next.nanoseconds;
    return rest == 0 ? text : text + " " + std::to_string(rest) + " " + next.name;
  }
  return "0 s";
}

std::string readable(double number) {
  char text[64];
  const bool is_whole = std::fabs(number - std::round(number)) < 0.05;
  std::snprintf(text, sizeof(text), is_whole ? "%.0f" : "%.1f", number);
  return text;
}

std::string utc(std::int64_t unix_seconds) {
  return formatted(unix_seconds, "%Y-%m-%d %H:%M:%S UTC");
}

std::string utc_with_fraction(std::int64_t unix_nanoseconds) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t rest = ((unix_nanoseconds % kSecond) + kSecond) % kSecond;
  char fraction[16];
  std::snprintf(fraction, sizeof(fraction), ".%06dZ", static_cast<int>(rest / 1000));
  return formatted((unix_nanoseconds - rest) / kSecond, "%Y-%m-%dT%H:%M:%S") + fraction;
}

std::string joined(const google::protobuf::RepeatedPtrField<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

std::string safe(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      result += c;
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
    result += escaped;
  }
  return result;
}

}  // namespace headgate::cli
