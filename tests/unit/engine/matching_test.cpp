// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "quota/rule_tree.h"
#include "world.h"

namespace headgate::quota {
namespace {

class Matching : public World {
 protected:
  // The path of the limit that holds for these entries, or "none".
  std::string limit_of(Entries entries) {
    const Verdict verdict = ask(std::move(entries));
    return verdict.limit != nullptr ? verdict.limit->path : "none";
  }
};

TEST_F(Matching, TheExactValueComesBeforeWildcardsAndTheyBeforeTheKeyAlone) {
  put({rule("path", per_minute(1)), rule("path", per_minute(1), "/a*"),
       rule("path", per_minute(1), "/ab*"), rule("path", per_minute(1), "/abc")});
  EXPECT_EQ(limit_of({{"path", "/abc"}}), "path_/abc");
  EXPECT_EQ(limit_of({{"path", "/abd"}}), "path_/a*") << "the first in the file";
  EXPECT_EQ(limit_of({{"path", "/b"}}), "path");
  EXPECT_EQ(limit_of({{"path", ""}}), "path");
  EXPECT_EQ(limit_of({{"other", "/abc"}}), "none");
}

TEST_F(Matching, ARequestMustBeAsDeepAsTheRule) {
  config::QuotaRule user = rule("user", per_minute(1));
  user.descriptors = {rule("path", per_minute(1))};
  put({user});
  EXPECT_EQ(limit_of({{"user", "alice"}}), "user");
  EXPECT_EQ(limit_of({{"user", "alice"}, {"path", "/"}}), "user.path");
  EXPECT_EQ(limit_of({{"user", "alice"}, {"path", "/"}, {"more", "x"}}), "none");
  EXPECT_EQ(limit_of({{"path", "/"}}), "none");
  EXPECT_EQ(limit_of({{"path", "/"}, {"user", "alice"}}), "none") << "the order counts";
}

TEST_F(Matching, WhatHasBeenChosenIsNotGoneBackOn) {
  config::QuotaRule exact = rule("user", std::nullopt, "alice");
  exact.descriptors = {rule("path", per_minute(1), "/only")};
  config::QuotaRule any = rule("user", std::nullopt);
  any.descriptors = {rule("path", per_minute(1))};
  put({any, exact});
  EXPECT_EQ(limit_of({{"user", "alice"}, {"path", "/only"}}), "user_alice.path_/only");
  EXPECT_EQ(limit_of({{"user", "alice"}, {"path", "/other"}}), "none");
  EXPECT_EQ(limit_of({{"user", "bob"}, {"path", "/other"}}), "user.path");
}

TEST_F(Matching, ANodeWithoutALimitLimitsNothing) {
  put({rule("user", std::nullopt)});
  EXPECT_EQ(limit_of({{"user", "alice"}}), "none");
}

TEST(Wildcard, AStarStandsForAnyText) {
  EXPECT_TRUE(matches_wildcard("/a*", "/a"));
  EXPECT_TRUE(matches_wildcard("/a*", "/abc"));
  EXPECT_FALSE(matches_wildcard("/a*", "/b"));
  EXPECT_TRUE(matches_wildcard("*", ""));
  EXPECT_TRUE(matches_wildcard("*", "anything"));
  EXPECT_TRUE(matches_wildcard("/u/*/x", "/u/17/x"));
  EXPECT_FALSE(matches_wildcard("/u/*/x", "/u/17/y"));
  EXPECT_TRUE(matches_wildcard("*a*b*", "xxaxxbxx"));
  EXPECT_FALSE(matches_wildcard("*a*b*", "xxbxxaxx"));
  EXPECT_TRUE(matches_wildcard("a*a*a", "aaaa"));
  EXPECT_FALSE(matches_wildcard("a*a*a", "aa"));
  EXPECT_FALSE(matches_wildcard("a", "aa"));
  EXPECT_TRUE(matches_wildcard("**", "x"));
}

// Many stars and a long text must not take for ever.
TEST(Wildcard, IsQuickOnHostileText) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  EXPECT_FALSE(matches_wildcard(pattern + "b", std::string(4'000, 'a')));
}

}  // namespace
}  // namespace headgate::quota
