// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/error.h"

#include <string>

#include <gtest/gtest.h>

namespace headgate::config {
namespace {

TEST(Quote, ShowsPlainTextAsItIs) {
  EXPECT_EQ(quote(""), "''");
  EXPECT_EQ(quote("web"), "'web'");
  EXPECT_EQ(quote("über"), "'über'");
}

TEST(Quote, MakesControlCharactersVisible) {
  EXPECT_EQ(quote("a\nb"), R"('a\x0ab')");
  EXPECT_EQ(quote("\x1b[31m"), R"('\x1b[31m')");
  EXPECT_EQ(quote(std::string("\0\x7f", 2)), R"('\x00\x7f')");
}

TEST(Quote, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(quote(std::string(80, 'a')), "'" + std::string(80, 'a') + "'");
  EXPECT_EQ(quote(std::string(81, 'a')), "'" + std::string(80, 'a') + "…'");
  EXPECT_EQ(quote(std::string(79, 'a') + "ü" + "b"), "'" + std::string(79, 'a') + "…'");
}

TEST(FailAt, PutsThePlaceFirst) {
  const Result<int> result = fail_at("a.yaml", {3, 7}, "it is wrong");
  EXPECT_EQ(result.error().message, "a.yaml:3:7: it is wrong");
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace headgate::config
