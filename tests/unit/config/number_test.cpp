// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/number.h"

#include <string>

#include <gtest/gtest.h>

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

TEST(WholeNumber, ReadsDecimalDigits) {
  EXPECT_EQ(parse_whole_number("0"), 0U);
  EXPECT_EQ(parse_whole_number("7"), 7U);
  EXPECT_EQ(parse_whole_number("65535"), 65535U);
  EXPECT_EQ(parse_whole_number("18446744073709551615"), 18446744073709551615U);
}

TEST(WholeNumber, RefusesEveryOtherNotation) {
  for (const std::string text : {"",
                                 "-1",
                                 "+1",
                                 "01",
                                 "010",
                                 "00",
                                 "0x10",
                                 "0o10",
                                 "0b1",
                                 "1_000",
                                 "1,000",
                                 "1e3",
                                 "1.0",
                                 ".5",
                                 "1:30",
                                 " 1",
                                 "1 ",
                                 "one",
                                 "inf",
                                 "18446744073709551616",
                                 "99999999999999999999999999"}) {
    EXPECT_EQ(parse_whole_number(text), std::nullopt) << text;
  }
}

TEST(Duration, ReadsANumberAndItsUnit) {
  EXPECT_EQ(parse_duration("0s"), 0ms);
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("10s"), 10s);
  EXPECT_EQ(parse_duration("90m"), 90min);
  EXPECT_EQ(parse_duration("2h"), 2h);
}

TEST(Duration, RefusesEverythingElse) {
  for (const std::string text :
       {"", "10", "s", "ms", "10S", "10sec", "10 s", " 10s", "10s ", "-1s", "+1s", "1.5s", "01s",
        "1h30m", "1d", "1000000001ms", "99999999999999999999h"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Duration, IsWrittenInTheLargestWholeUnit) {
  EXPECT_EQ(format_duration(100ms), "100ms");
  EXPECT_EQ(format_duration(1500ms), "1500ms");
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(60s), "1m");
  EXPECT_EQ(format_duration(1h), "1h");
}

}  // namespace
}  // namespace headgate::config
