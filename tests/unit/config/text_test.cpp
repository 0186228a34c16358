// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/text.h"

#include <string>

#include <gtest/gtest.h>

namespace headgate::config {
namespace {

TEST(CheckText, AcceptsUtf8) {
  for (const std::string text : {"", "a: b\r\n\tc", "ü € 𝄞",
                                 "\xef\xbb\xbf"
                                 "a: b",
                                 "\xc2\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(check_text(text, "f").has_value()) << text;
  }
}

TEST(CheckText, NamesTheFirstBadByte) {
  struct Case {
    std::string text;
    std::string message;
  };
  const std::string utf8 = " is not valid UTF-8; a YAML file in UTF-8 would be right";
  const std::string control = " is a control character; a YAML file in UTF-8 would be right";
  const Case cases[] = {
      {std::string("a: b\nc: \0d", 11), "f:2:4: byte 0x00" + control},
      {"\x1b[0m", "f:1:1: byte 0x1b" + control},
      {"ab\x7f", "f:1:3: byte 0x7f" + control},
      {"\x89PNG\r\n", "f:1:1: byte 0x89" + utf8},
      {"\xff\xfe"
       "a",
       "f:1:1: byte 0xff" + utf8},                      // UTF-16
      {"\xc0\xaf", "f:1:1: byte 0xc0" + utf8},          // overlong '/'
      {"\xe0\x80\xaf", "f:1:1: byte 0xe0" + utf8},      // overlong '/'
      {"\xed\xa0\x80", "f:1:1: byte 0xed" + utf8},      // a surrogate
      {"\xf4\x90\x80\x80", "f:1:1: byte 0xf4" + utf8},  // beyond U+10FFFF
      {"\xf5\x80\x80\x80", "f:1:1: byte 0xf5" + utf8},
      {"ok\n\xe2\x82", "f:2:1: byte 0xe2" + utf8},  // cut short
      {"ok\n\xe2\x82"
       "a",
       "f:2:1: byte 0xe2" + utf8},
      {"latin \xfc", "f:1:7: byte 0xfc" + utf8},
  };
  for (const Case& c : cases) {
    const Result<void> result = check_text(c.text, "f");
    ASSERT_FALSE(result.has_value()) << c.message;
    EXPECT_EQ(result.error().message, c.message);
  }
}

}  // namespace
}  // namespace headgate::config
