// SPDX-License-Identifier: Apache-2.0
#include "cli/deny_input.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::cli {
namespace {

using std::chrono::system_clock;
using testing::HasSubstr;

const system_clock::time_point kNow{std::chrono::seconds(1'700'000'000)};

Result<std::vector<DenyLine>> read(const std::string& text) {
  std::istringstream input(text);
  return read_deny_lines(input, "list");
}

TEST(DenyLines, OneCidrALineWithItsReason) {
  const auto lines = read(
      "\xef\xbb\xbf# comment\n\n10.0.0.0/8\r\n  192.0.2.7\tticket #5, ü \n2001:db8::/32 # "
      "why\n::1");
  ASSERT_TRUE(lines) << lines.error().to_string();
  ASSERT_EQ(lines->size(), 4U);
  EXPECT_EQ((*lines)[0].cidr + "|" + (*lines)[0].reason, "10.0.0.0/8|");
  EXPECT_EQ((*lines)[1].cidr + "|" + (*lines)[1].reason, "192.0.2.7|ticket #5, ü");
  EXPECT_EQ((*lines)[2].cidr + "|" + (*lines)[2].reason, "2001:db8::/32|");
  EXPECT_EQ((*lines)[3].cidr, "::1");
}

TEST(DenyLines, ErrorsSayWhichLine) {
  const auto lines = read("10.0.0.0/8\n10.0.0.1/8\n\nfoo reason\n");
  ASSERT_FALSE(lines);
  EXPECT_EQ(lines.error().to_string(),
            "list:2: '10.0.0.1/8' has bits set after its length; 10.0.0.0/8 would be right\n"
            "list:4: 'foo' is not an IPv4 or IPv6 address");
}

TEST(DenyLines, OnlyTheFirstFewErrorsAreShown) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "bad\n";
  const std::string error = read(text).error().to_string();
  EXPECT_THAT(error, HasSubstr("list:10: "));
  EXPECT_THAT(error, HasSubstr("list: and 990 more"));
  EXPECT_EQ(error.find("list:11:"), std::string::npos);
}

TEST(DenyLines, HostileLinesAreErrors) {
  for (const std::string& text : {std::string(1'000'000, 'x'), std::string("1.2.3.4\0", 8),
                                  std::string("\x1b[2J"), "1.2.3.4 " + std::string(201, 'r'),
                                  std::string("1.2.3.4 a\x1b[2J"), std::string("1.2.3.4 \xff")}) {
    const auto lines = read(text);
    ASSERT_FALSE(lines);
    EXPECT_LT(lines.error().to_string().size(), 400U);
    EXPECT_EQ(lines.error().to_string().find('\x1b'), std::string::npos);
  }
}

TEST(DenyLines, NothingInItIsAnError) {
  EXPECT_THAT(read("").error().to_string(), HasSubstr("list: no CIDR"));
  EXPECT_FALSE(read("# only a comment\n"));
}

TEST(DenyFile, IsAFile) {
  EXPECT_EQ(read_deny_file("/nonexistent/list").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(read_deny_file("/").error().to_string(), HasSubstr("directory"));
}

TEST(Expiry, AfterATimeFromNow) {
  EXPECT_EQ(expiry_after("10m", kNow), 1'700'000'600'000);
  EXPECT_EQ(expiry_after("1d", kNow), 1'700'086'400'000);
  for (const char* bad : {"", "0s", "10", "-1m", "1.5h", "36501d", "99999999999999999d"}) {
    EXPECT_FALSE(expiry_after(bad, kNow)) << bad;
  }
}

TEST(Expiry, AtATimeToCome) {
  EXPECT_EQ(expiry_at("2023-11-14T22:13:21Z", kNow), 1'700'000'001'000);
  for (const char* bad : {"2023-11-14T22:13:20Z", "2023-11-14", "tomorrow", ""}) {
    EXPECT_FALSE(expiry_at(bad, kNow)) << bad;
  }
}

}  // namespace
}  // namespace headgate::cli
