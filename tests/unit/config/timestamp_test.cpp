// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/timestamp.h"

#include <string>

#include <gtest/gtest.h>

namespace headgate::config {
namespace {

std::optional<long> seconds_of(const std::string& text) {
  const std::optional<std::chrono::sys_seconds> time = parse_timestamp(text);
  return time ? std::optional<long>(time->time_since_epoch().count()) : std::nullopt;
}

// The seconds are those that `date -u -d TEXT +%s` prints.
TEST(Timestamp, ReadsUtcAndOffsets) {
  EXPECT_EQ(seconds_of("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(seconds_of("2000-02-29T12:34:56Z"), 951'827'696);
  EXPECT_EQ(seconds_of("2030-01-01T00:00:00Z"), 1'893'456'000);
  EXPECT_EQ(seconds_of("2030-01-01T02:00:00+02:00"), 1'893'456'000);
  EXPECT_EQ(seconds_of("2029-12-31T18:30:00-05:30"), 1'893'456'000);
  EXPECT_EQ(seconds_of("2030-01-01T00:00:00+00:00"), 1'893'456'000);
  EXPECT_EQ(seconds_of("2030-01-01T00:00:00-00:00"), 1'893'456'000);
  EXPECT_EQ(seconds_of("2030-01-01T23:59:00+23:59"), 1'893'456'000);
  EXPECT_EQ(seconds_of("2100-02-28T23:59:59Z"), 4'107'542'399);
  EXPECT_EQ(seconds_of("2200-12-31T23:59:59Z"), 7'289'654'399);
  EXPECT_EQ(seconds_of("1970-01-01T05:00:00+05:00"), 0);
  EXPECT_EQ(seconds_of("2201-01-01T00:59:59+01:00"), 7'289'654'399);
}

TEST(Timestamp, RefusesWhatIsNoMoment) {
  for (const std::string text : {"",
                                 "2030",
                                 "2030-01-01",
                                 "2030-01-01T00:00Z",
                                 "2030-01-01T00:00:00",
                                 "2030-01-01 00:00:00Z",
                                 "2030-01-01t00:00:00z",
                                 "2030-01-01T00:00:00.5Z",
                                 "2030-01-01T00:00:00ZZ",
                                 " 2030-01-01T00:00:00Z",
                                 "2030-01-01T00:00:00Z ",
                                 "2030-1-1T00:00:00Z",
                                 "20300101T000000Z",
                                 "+2030-01-01T00:00:00Z",
                                 "-030-01-01T00:00:00Z",
                                 "2030-00-01T00:00:00Z",
                                 "2030-13-01T00:00:00Z",
                                 "2030-01-00T00:00:00Z",
                                 "2030-01-32T00:00:00Z",
                                 "2030-04-31T00:00:00Z",
                                 "2030-02-29T00:00:00Z",
                                 "2100-02-29T00:00:00Z",
                                 "2030-01-01T24:00:00Z",
                                 "2030-01-01T00:60:00Z",
                                 "2030-12-31T23:59:60Z",
                                 "2030-01-01T00:00:00+0200",
                                 "2030-01-01T00:00:00+02",
                                 "2030-01-01T00:00:00+24:00",
                                 "2030-01-01T00:00:00+02:60",
                                 "2030-01-01T00:00:00+02:00Z",
                                 "2030-01-01T00:00:00CET",
                                 "1969-12-31T23:59:59Z",
                                 "1970-01-01T00:59:59+01:00",
                                 "2201-01-01T00:00:00Z",
                                 "2200-12-31T23:59:59-00:01",
                                 "9999-12-31T23:59:59Z",
                                 "0000-01-01T00:00:00Z",
                                 "tomorrow",
                                 "1893456000"}) {
    EXPECT_EQ(seconds_of(text), std::nullopt) << text;
  }
  EXPECT_EQ(seconds_of(std::string("2030-01-01T00:00:00Z\0", 21)), std::nullopt);
  EXPECT_EQ(seconds_of(std::string("2030-01-01T00:00:00\0", 20)), std::nullopt);
}

TEST(Timestamp, KnowsEveryDayOfEveryYear) {
  using namespace std::chrono;
  sys_days day = year(1970) / January / 1;
  for (; day < sys_days(year(2201) / January / 1); day += days(1)) {
    const sys_seconds last_second = day + days(1) - seconds(1);
    const std::string text = format_timestamp(last_second);
    ASSERT_EQ(parse_timestamp(text), last_second) << text;
  }
  EXPECT_EQ(format_timestamp(sys_seconds(seconds(951'827'696))), "2000-02-29T12:34:56Z");
}

}  // namespace
}  // namespace headgate::config
