// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "daemon/quota/engine.h"
#include "world.h"

namespace headgate::quota {
namespace {

class Reload : public World {};

TEST_F(Reload, WhatIsCountedStaysWhereTheRuleIsTheSame) {
  put({rule("user", per_minute(5)), named(rule("path", per_minute(5)), "paths")});
  ask({{"user", "alice"}}, 3);
  ask({{"path", "/"}}, 3);
  // Another limit, another place in the file, and another path under the same name.
  put({named(rule("url", per_minute(5)), "paths"), rule("user", per_minute(4))});
  EXPECT_EQ(ask({{"user", "alice"}}).remaining, 0U);
  EXPECT_EQ(ask({{"url", "/"}}).remaining, 1U);
  EXPECT_EQ(tally(1).admitted, 2U) << "metrics go along";
}

TEST_F(Reload, AnotherRuleBeginsAnew) {
  put({named(rule("user", per_minute(5)), "one")});
  ask({{"user", "alice"}}, 5);
  put({named(rule("user", per_minute(5)), "another")});
  EXPECT_EQ(ask({{"user", "alice"}}).remaining, 4U);
  put({named(rule("user", rolling(5, std::chrono::seconds(1), 5)), "another")});
  EXPECT_EQ(ask({{"user", "alice"}}).remaining, 4U)
      << "what a rolling limit counts is another thing";
}

TEST_F(Reload, TwoRulesOfOneNameHaveCountsOfTheirOwn) {
  put({named(rule("user", per_minute(5)), "same"), named(rule("path", per_minute(5)), "same")});
  ask({{"user", "x"}}, 5);
  EXPECT_EQ(ask({{"path", "x"}}).remaining, 4U);
}

TEST_F(Reload, ADomainThatGoesIsForgotten) {
  put({rule("user", per_minute(1))});
  ask({{"user", "alice"}});
  const Decision before = std::move(last);
  put(domain({rule("user", per_minute(1))}, "elsewhere"));
  EXPECT_EQ(ask({{"user", "alice"}}).limit, nullptr);
  EXPECT_EQ(before.verdicts.at(0).limit->path, "user") << "a decision keeps what it was made by";
  put({rule("user", per_minute(1))});
  EXPECT_FALSE(ask({{"user", "alice"}}).is_over);
}

// Both rules refuse all but one of the two keys; no policy admits both, and none refuses both.
TEST_F(Reload, ARequestIsJudgedByTheOldPolicyOrTheNew) {
  const config::Quotas one = domain({rule("a", per_minute(0)), rule("b", per_minute(4'000'000))});
  const config::Quotas other = domain({rule("a", per_minute(4'000'000)), rule("b", per_minute(0))});
  put(one);
  std::atomic<bool> stop = false;
  std::atomic<int> torn = 0;
  std::atomic<int> asked = 0;
  std::thread asking([&] {
    while (!stop) {
      const auto decision = engine.check(
          {"api", {Descriptor{{{"a", "x"}}, {}, {}}, Descriptor{{{"b", "x"}}, {}, {}}}, 1});
      if (!decision || decision->verdicts[0].is_over == decision->verdicts[1].is_over) ++torn;
      ++asked;
    }
  });
  for (int i = 0; i < 500 || asked < 5'000; ++i) put(i % 2 == 0 ? other : one);
  stop = true;
  asking.join();
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace headgate::quota
