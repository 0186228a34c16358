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

TEST(Decimal, IsReadAndWritten) {
  struct Good {
    std::string text;
    double number;
    std::string again;
  };
  const Good cases[] = {{"0", 0, "0"},
                        {"5", 5, "5"},
                        {"0.5", 0.5, "0.5"},
                        {"12.250", 12.25, "12.25"},
                        {"0.1", 0.1, "0.1"},
                        {"1000000000000", 1e12, "1000000000000"},
                        {"0.000001", 1e-6, "0.000001"}};
  for (const Good& c : cases) {
    EXPECT_EQ(parse_decimal(c.text), c.number) << c.text;
    EXPECT_EQ(format_decimal(c.number), c.again);
  }
  for (const std::string text :
       {"", ".5", "5.", "05", "-1", "+1", "1e3", "1.5e3", "1_0", "1,5", "1.-5", "0x1", "inf", "nan",
        "1.5 ", "1234567890123456", "0.1234567890123456"}) {
    EXPECT_EQ(parse_decimal(text), std::nullopt) << text;
  }
}

TEST(Duration, ReadsANumberAndItsUnit) {
  EXPECT_EQ(parse_duration("0s"), 0ms);
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("10s"), 10s);
  EXPECT_EQ(parse_duration("90m"), 90min);
  EXPECT_EQ(parse_duration("2h"), 2h);
  EXPECT_EQ(parse_duration("1d"), 24h);
  EXPECT_EQ(parse_duration("1000000000d"), 24h * 1'000'000'000);
}

TEST(Duration, RefusesEverythingElse) {
  for (const std::string text : {"",     "10",           "s",           "ms",
                                 "10S",  "10sec",        "10 s",        " 10s",
                                 "10s ", "-1s",          "+1s",         "1.5s",
                                 "01s",  "1h30m",        "1D",          "1w",
                                 "1dd",  "1000000001ms", "1000000001d", "99999999999999999999h"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Duration, IsWrittenInTheLargestWholeUnit) {
  EXPECT_EQ(format_duration(100ms), "100ms");
  EXPECT_EQ(format_duration(1500ms), "1500ms");
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(60s), "1m");
  EXPECT_EQ(format_duration(1h), "1h");
  EXPECT_EQ(format_duration(36h), "36h");
  EXPECT_EQ(format_duration(24h), "1d");
  EXPECT_EQ(format_duration(0ms), "0d");
}

TEST(Duration, IsReadAgainAsItIsWritten) {
  for (std::int64_t i = 1; i < 400'000'000; i = i * 3 / 2 + 1) {
    const std::chrono::milliseconds duration(i);
    EXPECT_EQ(parse_duration(format_duration(duration)), duration) << i;
  }
}

RateLimit rate(std::uint32_t count, std::chrono::milliseconds per, std::uint32_t burst) {
  return RateLimit{count, per, burst};
}

TEST(Rate, IsANumberForATimeAndItsBurstOneSecondsWorthRoundedUp) {
  EXPECT_EQ(parse_rate("1/h"), rate(1, 1h, 1));
  EXPECT_EQ(parse_rate("3600/h"), rate(3600, 1h, 1));
  EXPECT_EQ(parse_rate("3601/h"), rate(3601, 1h, 2));
  EXPECT_EQ(parse_rate("1000000000/h"), rate(1'000'000'000, 1h, 277'778));
  EXPECT_EQ(parse_rate("1/m"), rate(1, 1min, 1));
  EXPECT_EQ(parse_rate("60/m"), rate(60, 1min, 1));
  EXPECT_EQ(parse_rate("61/m"), rate(61, 1min, 2));
  EXPECT_EQ(parse_rate("60000000/m"), rate(60'000'000, 1min, 1'000'000));
  EXPECT_EQ(parse_rate("1/s"), rate(1, 1s, 1));
  EXPECT_EQ(parse_rate("50/s"), rate(50, 1s, 50));
  EXPECT_EQ(parse_rate("1000000/s"), rate(1'000'000, 1s, 1'000'000));
}

TEST(Rate, RefusesEverythingElse) {
  for (const std::string text :
       {"",          "/",      "50",         "50/",          "/s",
        "s",         "50s",    "0/s",        "0/h",          "-1/s",
        "+1/s",      "01/s",   "1.5/s",      "1e3/s",        "50 /s",
        "50/ s",     " 50/s",  "50/s ",      "50/S",         "50/sec",
        "50/ms",     "50/d",   "50/1s",      "50//s",        "50/s/s",
        "1000001/s", "fast/s", "60000001/m", "1000000001/h", "99999999999999999999999/h"}) {
    EXPECT_EQ(parse_rate(text), std::nullopt) << text;
  }
}

TEST(Rate, IsReadAgainAsItIsWritten) {
  for (const std::string unit : {"s", "m", "h"}) {
    for (std::uint64_t count = 1; count <= 1'000'000; count = count * 3 / 2 + 1) {
      const std::string text = std::to_string(count) + "/" + unit;
      const std::optional<RateLimit> limit = parse_rate(text);
      ASSERT_TRUE(limit.has_value()) << text;
      EXPECT_EQ(format_rate(*limit), text);
      EXPECT_GE(limit->burst, 1U);
      // The burst is a second's worth, rounded up: not less, and not one more.
      const auto second_of = [&](std::uint64_t burst) {
        return burst * static_cast<std::uint64_t>(limit->per.count());
      };
      EXPECT_GE(second_of(limit->burst), count * 1000);
      EXPECT_LT(second_of(limit->burst - 1), count * 1000);
    }
  }
}

}  // namespace
}  // namespace headgate::config
