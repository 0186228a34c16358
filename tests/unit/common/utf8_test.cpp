// SPDX-License-Identifier: Apache-2.0
#include "common/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace headgate {
namespace {

TEST(Utf8, IsJudgedWhateverTheCharacters) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8(std::string("a\0\x7f\n", 4)));
  EXPECT_TRUE(is_utf8("\xc2\x85\xe2\x80\xa8\xf4\x8f\xbf\xbf"));
  for (const std::string text : {"\x85", "a\xc2", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    EXPECT_FALSE(is_utf8(text));
  }
}

TEST(Utf8, ACharacterHasALength) {
  EXPECT_EQ(utf8_length(""), 0U);
  EXPECT_EQ(utf8_length("ab"), 1U);
  EXPECT_EQ(utf8_length("\xc2\x85x"), 2U);
  EXPECT_EQ(utf8_length("\xe2\x80\xa8x"), 3U);
  EXPECT_EQ(utf8_length("\xf4\x8f\xbf\xbfx"), 4U);
  EXPECT_EQ(utf8_length("\xf4\x8f\xbf"), 0U);
}

}  // namespace
}  // namespace headgate
