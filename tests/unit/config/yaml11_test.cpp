// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/yaml11.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace headgate::config {
namespace {

TEST(Yaml11, WholeNumbers) {
  struct Good {
    std::string text;
    std::int64_t number;
  };
  const Good cases[] = {{"0", 0},
                        {"5", 5},
                        {"+5", 5},
                        {"-5", -5},
                        {"1_000", 1000},
                        {"0x1f", 31},
                        {"0X1F", 31},
                        {"017", 15},
                        {"0o17", 15},
                        {"0b101", 5},
                        {"-0x10", -16},
                        {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
                        {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()}};
  for (const Good& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(yaml11_integer(c.text), c.number);
    EXPECT_FALSE(is_yaml11_float(c.text));
  }
  for (const std::string text : {"", "_1", "a", "1a", "08", "0x", "0xg", "--1", "+-1", "1.0", "1e3",
                                 "+", "-", ".", "9223372036854775808", "0b2", " 1"}) {
    EXPECT_EQ(yaml11_integer(text), std::nullopt) << text;
  }
}

TEST(Yaml11, NumbersThatAreNotWhole) {
  for (const std::string text :
       {"1.5", ".5", "5.", "-1.5", "+.5", "1e3", "1E+3", "1.5e-3", "1_0.5", "08",
        "9223372036854775808", "99999999999999999999", ".inf", "-.Inf", "+.INF", ".nan", ".NaN"}) {
    EXPECT_TRUE(is_yaml11_float(text)) << text;
  }
  for (const std::string text : {"", ".", "+", "-.", "e3", "1e", "1e+", "1.2.3", "10.0.0.1", "1.5x",
                                 "-.nan", "inf", "nan", "2030-01-01", "1:30", "a1.5"}) {
    EXPECT_FALSE(is_yaml11_float(text)) << text;
  }
}

TEST(Yaml11, Truth) {
  for (const std::string text :
       {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On"}) {
    EXPECT_EQ(yaml11_truth(text), true) << text;
  }
  for (const std::string text : {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off"}) {
    EXPECT_EQ(yaml11_truth(text), false) << text;
  }
  for (const std::string text : {"", "1", "tRUE", "yEs", "YEs", "nope", "t"}) {
    EXPECT_EQ(yaml11_truth(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace headgate::config
