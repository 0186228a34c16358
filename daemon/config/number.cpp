// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/number.h"

#include <algorithm>
#include <charconv>

namespace headgate::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};
// Largest first.
constexpr Unit kUnits[] = {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};

}  // namespace

std::optional<std::uint64_t> parse_whole_number(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed_to, error] = std::from_chars(text.data(), end, number);  // unsigned: no '-'
  if (error != std::errc() || parsed_to != end) return std::nullopt;
  return number;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<std::uint64_t> number = parse_whole_number(text.substr(0, digits));
  constexpr std::uint64_t kMaxNumber = 1'000'000'000;  // far from overflow in any unit
  if (!number || *number > kMaxNumber) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (text.substr(digits) == unit.name) {
      return std::chrono::milliseconds(static_cast<std::int64_t>(*number) * unit.milliseconds);
    }
  }
  return std::nullopt;
}

std::string format_duration(std::chrono::milliseconds duration) {
  const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& candidate) {
    return duration.count() % candidate.milliseconds == 0;
  });
  return std::to_string(duration.count() / unit->milliseconds) + std::string(unit->name);
}

}  // namespace headgate::config
