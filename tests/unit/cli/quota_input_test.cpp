// SPDX-License-Identifier: Apache-2.0
#include "cli/quota_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(QuotaInput, EntriesAreBetweenCommas) {
  EXPECT_THAT(*read_entries("user=alice"), ElementsAre(EntryText{"user", "alice"}));
  EXPECT_THAT(*read_entries("b=1,a="), ElementsAre(EntryText{"b", "1"}, EntryText{"a", ""}));
  EXPECT_THAT(*read_entries("query=a=b&c"), ElementsAre(EntryText{"query", "a=b&c"}));
}

TEST(QuotaInput, ABackslashKeepsACommaInAValue) {
  EXPECT_THAT(*read_entries(R"(agent=a\,b,user=x)"),
              ElementsAre(EntryText{"agent", "a,b"}, EntryText{"user", "x"}));
  EXPECT_THAT(*read_entries(R"(path=C:\dir\)"), ElementsAre(EntryText{"path", R"(C:\dir\)"}));
}

TEST(QuotaInput, WhatIsNoEntryIsNamed) {
  for (const char* bad : {"", "user", "=alice", "user=alice,", ",user=alice", "user=a,b"}) {
    const auto entries = read_entries(bad);
    ASSERT_FALSE(entries) << bad;
    EXPECT_THAT(entries.error().to_string(), HasSubstr("is not KEY=VALUE"));
  }
  EXPECT_THAT(read_entries("user=a,b").error().to_string(), HasSubstr("'b' is not"));
}

}  // namespace
}  // namespace headgate::cli
