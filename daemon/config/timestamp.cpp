// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/timestamp.h"

namespace headgate::config {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

constexpr int kFirstYear = 1970;
constexpr int kLastYear = 2200;

// Takes from the front of what is left of a text; after a mismatch ok() is false for good.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  char front() const { return rest_.empty() ? '\0' : rest_.front(); }

  void skip(char expected) {
    if (front() == expected && !rest_.empty()) {
      rest_.remove_prefix(1);
    } else {
      ok_ = false;
    }
  }

  // Exactly `count` digits, between `low` and `high`.
  int number(std::size_t count, int low, int high) {
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const char digit = front();
      if (digit < '0' || digit > '9') {
        ok_ = false;
        return low;
      }
      value = value * 10 + (digit - '0');
      rest_.remove_prefix(1);
    }
    if (value < low || value > high) ok_ = false;
    return value;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

void append_padded(std::string& out, long value, std::size_t width) {
  const std::string digits = std::to_string(value);
  if (digits.size() < width) out.append(width - digits.size(), '0');
  out += digits;
}

}  // namespace

std::optional<sys_seconds> parse_timestamp(std::string_view text) {
  Cursor cursor(text);
  const std::chrono::year year(cursor.number(4, 0, 9999));
  cursor.skip('-');
  const std::chrono::month month(static_cast<unsigned>(cursor.number(2, 1, 12)));
  cursor.skip('-');
  const std::chrono::day day(static_cast<unsigned>(cursor.number(2, 1, 31)));
  cursor.skip('T');
  const hours hour(cursor.number(2, 0, 23));
  cursor.skip(':');
  const minutes minute(cursor.number(2, 0, 59));
  cursor.skip(':');
  const seconds second(cursor.number(2, 0, 59));

  seconds east{0};  // of UTC
  const char zone = cursor.front();
  if (zone == '+' || zone == '-') {
    cursor.skip(zone);
    const hours offset_hours(cursor.number(2, 0, 23));
    cursor.skip(':');
    const minutes offset_minutes(cursor.number(2, 0, 59));
    east = offset_hours + offset_minutes;
    if (zone == '-') east = -east;
  } else {
    cursor.skip('Z');
  }

  const std::chrono::year_month_day date(year, month, day);
  if (!cursor.ok() || !cursor.at_end() || !date.ok()) return std::nullopt;
  const sys_seconds time = sys_days(date) + hour + minute + second - east;
  const sys_days first = std::chrono::year(kFirstYear) / std::chrono::January / 1;
  const sys_days end = std::chrono::year(kLastYear + 1) / std::chrono::January / 1;
  if (time < first || time >= end) return std::nullopt;
  return time;
}

std::string format_timestamp(sys_seconds time) {
  const sys_days day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<seconds> clock(time - day);
  std::string out;
  append_padded(out, static_cast<int>(date.year()), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_padded(out, clock.hours().count(), 2);
  out += ':';
  append_padded(out, clock.minutes().count(), 2);
  out += ':';
  append_padded(out, clock.seconds().count(), 2);
  out += 'Z';
  return out;
}

}  // namespace headgate::config
