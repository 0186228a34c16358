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
constexpr Unit kUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};

// Of these a rate is given: "50/s".
constexpr std::string_view kRateUnits[] = {"s", "m", "h"};
constexpr std::uint64_t kMaxRateCount = 1'000'000'000;
constexpr std::uint64_t kMaxPerSecond = 1'000'000;

std::int64_t milliseconds_in(std::string_view unit_name) {
  const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                  [&](const Unit& u) { return u.name == unit_name; });
  return unit->milliseconds;
}

}  // namespace

std::optional<std::uint64_t> parse_whole_number(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed_to, error] = std::from_chars(text.data(), end, number);  // unsigned: no '-'
  if (error != std::errc() || parsed_to != end) return std::nullopt;
  return number;
}

std::optional<double> parse_decimal(std::string_view text) {
  constexpr std::size_t kMostDigits = 15;  // what a double holds
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  if (!parse_whole_number(whole) || whole.size() > kMostDigits) return std::nullopt;
  if (point < text.size()) {
    const std::string_view part = text.substr(point + 1);
    const bool is_digits = part.find_first_not_of("0123456789") == std::string_view::npos;
    if (part.empty() || part.size() > kMostDigits || !is_digits) return std::nullopt;
  }
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  return number;
}

std::string format_decimal(double number) {
  char buffer[512];  // more than any double has digits
  const auto written =
      std::to_chars(buffer, buffer + sizeof(buffer), number, std::chars_format::fixed);
  return {buffer, written.ptr};
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

std::optional<RateLimit> parse_rate(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto* unit =
      std::find(std::begin(kRateUnits), std::end(kRateUnits), text.substr(slash + 1));
  const std::optional<std::uint64_t> count = parse_whole_number(text.substr(0, slash));
  if (unit == std::end(kRateUnits) || !count || *count < 1 || *count > kMaxRateCount) {
    return std::nullopt;
  }
  const auto seconds = static_cast<std::uint64_t>(milliseconds_in(*unit) / 1000);
  if (*count > kMaxPerSecond * seconds) return std::nullopt;
  RateLimit rate;
  rate.count = static_cast<std::uint32_t>(*count);
  rate.per = std::chrono::seconds(seconds);
  rate.burst = static_cast<std::uint32_t>((*count + seconds - 1) / seconds);
  return rate;
}

std::string format_rate(const RateLimit& rate) {
  const auto* unit = std::find_if(
      std::begin(kRateUnits), std::end(kRateUnits),
      [&](std::string_view name) { return milliseconds_in(name) == rate.per.count(); });
  const std::string_view name = unit == std::end(kRateUnits) ? "?" : *unit;
  return std::to_string(rate.count) + "/" + std::string(name);
}

}  // namespace headgate::config
