// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include <gtest/gtest.h>

#include "daemon/quota/engine.h"
#include "world.h"

namespace headgate::quota {
namespace {

using std::chrono::seconds;

class Check : public World {};

TEST_F(Check, CountsEachKeyByItself) {
  put({rule("user", per_minute(2))});
  EXPECT_FALSE(ask({{"user", "alice"}}).is_over);
  EXPECT_EQ(ask({{"user", "alice"}}).remaining, 0U);
  const Verdict over = ask({{"user", "alice"}});
  EXPECT_TRUE(over.is_over);
  EXPECT_EQ(over.until_reset, seconds(20));
  EXPECT_EQ(over.retry_after, seconds(20));
  EXPECT_FALSE(ask({{"user", "bob"}}).is_over);
  pass(20 * kSecond);
  EXPECT_FALSE(ask({{"user", "alice"}}).is_over);
}

TEST_F(Check, WhatNoRuleLimitsIsAdmitted) {
  put({rule("user", per_minute(0))});
  const Verdict verdict = ask({{"other", "x"}});
  EXPECT_FALSE(verdict.is_over);
  EXPECT_EQ(verdict.limit, nullptr);
  const auto elsewhere = engine.check({"elsewhere", {Descriptor{{{"user", "x"}}, {}, {}}}, 1});
  ASSERT_TRUE(elsewhere);
  EXPECT_FALSE(elsewhere->is_over);
  EXPECT_EQ(elsewhere->verdicts.at(0).limit, nullptr);
}

TEST_F(Check, ARollingLimitLetsTheBurstThroughAndThenTheRate) {
  put({rule("user", rolling(10, seconds(1), 3))});
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(ask({{"user", "alice"}}).is_over);
  const Verdict over = ask({{"user", "alice"}});
  EXPECT_TRUE(over.is_over);
  EXPECT_EQ(over.retry_after, std::chrono::milliseconds(100));
  pass(kSecond / 10);
  EXPECT_FALSE(ask({{"user", "alice"}}).is_over);
  EXPECT_TRUE(ask({{"user", "alice"}}).is_over);
}

TEST_F(Check, SaysWhenItWillNeverBeAdmitted) {
  put({rule("user", rolling(10, seconds(1), 3)), rule("path", per_minute(5))});
  EXPECT_EQ(ask({{"user", "alice"}}, 4).retry_after, Verdict::kNever);
  EXPECT_EQ(ask({{"path", "/"}}, 6).retry_after, Verdict::kNever);
}

TEST_F(Check, ALookHasACostAndCountsNothing) {
  put({rule("user", rolling(10, seconds(1), 3)), rule("path", per_minute(5))});
  const auto look = [&](Entries entries, std::uint64_t cost) {
    auto decision = engine.look({"api", {Descriptor{std::move(entries), {}, {}}}, cost});
    EXPECT_TRUE(decision);
    last = *std::move(decision);
    return last.verdicts.at(0);
  };
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(look({{"user", "alice"}}, 3).is_over);
  EXPECT_EQ(look({{"path", "/"}}, 6).retry_after, Verdict::kNever);
  EXPECT_EQ(Engine::keys(engine.policy()->domains.at("api")).keys, 0U);
  ask({{"user", "alice"}}, 2);
  const Verdict over = look({{"user", "alice"}}, 3);
  EXPECT_TRUE(over.is_over && last.is_over);
  EXPECT_EQ(over.remaining, 1U);
  EXPECT_EQ(over.retry_after, std::chrono::milliseconds(200));
  EXPECT_EQ(tally().admitted, 1U);
  EXPECT_EQ(tally().refused, 0U);
  EXPECT_FALSE(engine.look({"api", {}, 1})) << "no descriptors";
}

TEST_F(Check, LookingCountsNothingAndEntersNoKey) {
  put({rule("user", per_minute(1))});
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(ask({{"user", "alice"}}, 0).is_over);
  EXPECT_EQ(Engine::keys(engine.policy()->domains.at("api")).keys, 0U);
  EXPECT_EQ(tally().admitted, 0U);
  EXPECT_EQ(ask({{"user", "alice"}}).remaining, 0U);
  EXPECT_EQ(ask({{"user", "alice"}}, 0).remaining, 0U);
}

TEST_F(Check, ADescriptorMayHaveACostOfItsOwn) {
  put({rule("user", per_minute(10)), rule("path", per_minute(10))});
  const Decision decision = ask(
      {{{{"user", "alice"}}, 3, std::nullopt}, {{{"path", "/"}}, std::nullopt, std::nullopt}}, 2);
  EXPECT_EQ(decision.verdicts.at(0).remaining, 7U);
  EXPECT_EQ(decision.verdicts.at(1).remaining, 8U);
}

TEST_F(Check, AllDescriptorsAreCountedEvenIfOneIsOver) {
  put({rule("user", per_minute(0)), rule("path", per_minute(10))});
  const Decision decision = ask({{{{"user", "alice"}}, {}, {}}, {{{"path", "/"}}, {}, {}}});
  EXPECT_TRUE(decision.is_over);
  EXPECT_TRUE(decision.verdicts.at(0).is_over);
  EXPECT_FALSE(decision.verdicts.at(1).is_over);
  EXPECT_EQ(ask({{"path", "/"}}).remaining, 8U);
}

TEST_F(Check, OrNoneIsCountedWhereTheDomainSaysSo) {
  config::Quotas quotas = domain({rule("path", per_minute(10)), rule("user", per_minute(1)),
                                  rule("rolling", rolling(10, seconds(1), 5))});
  quotas.domains[0].check_all_then_commit = true;
  put(quotas);
  const std::vector<Descriptor> all = {
      {{{"path", "/"}}, {}, {}}, {{{"rolling", "x"}}, {}, {}}, {{{"user", "alice"}}, {}, {}}};
  EXPECT_FALSE(ask(all).is_over);
  for (int i = 0; i < 5; ++i) {
    const Decision refused = ask(all);
    EXPECT_TRUE(refused.is_over);
    EXPECT_EQ(refused.verdicts.at(0).remaining, 9U);
    EXPECT_EQ(refused.verdicts.at(1).remaining, 4U);
  }
  EXPECT_EQ(ask({{"path", "/"}}).remaining, 8U);
  EXPECT_EQ(ask({{"rolling", "x"}}).remaining, 3U);
  pass(20 * kSecond);
  EXPECT_FALSE(ask(all).is_over) << "what was refused has not been counted";
}

// One request evicts keys of its own: what is taken back is not taken from those that came instead.
TEST_F(Check, NothingIsGivenBackToAKeyThatHasGivenWay) {
  config::Quotas quotas = domain({rule("user", per_minute(10)), rule("none", per_minute(0))});
  quotas.domains[0].check_all_then_commit = true;
  quotas.domains[0].max_keys = 16;
  put(quotas);
  std::vector<std::string> names;
  for (int i = 0; i < 60; ++i) names.push_back(std::to_string(i));
  std::vector<Descriptor> many;
  for (const std::string& name : names) many.push_back({{{"user", name}}, {}, {}});
  many.push_back({{{"none", "x"}}, {}, {}});
  EXPECT_TRUE(ask(many).is_over);
  ask({{"user", "59"}}, 5);
  EXPECT_TRUE(ask(many).is_over);
  EXPECT_LE(ask({{"user", "59"}}, 0).remaining, 10U);
}

TEST_F(Check, ShadowModeCountsAndTellsAndDoesNotEnforce) {
  config::QuotaRule shadow = rule("user", per_minute(1));
  shadow.shadow_mode = true;
  put({shadow});
  EXPECT_FALSE(ask({{"user", "alice"}}).would_be_over);
  const Verdict over = ask({{"user", "alice"}});
  EXPECT_FALSE(over.is_over);
  EXPECT_TRUE(over.would_be_over);
  EXPECT_EQ(tally().shadow, 1U);
  EXPECT_EQ(tally().refused, 0U);
}

TEST_F(Check, UnlimitedIsAdmittedWithRoomForAll) {
  config::QuotaLimit unlimited;
  unlimited.is_unlimited = true;
  put({rule("user", unlimited)});
  const Verdict verdict = ask({{"user", "alice"}}, 1'000'000);
  EXPECT_FALSE(verdict.is_over);
  EXPECT_EQ(verdict.remaining, std::numeric_limits<std::uint32_t>::max());
  EXPECT_NE(verdict.limit, nullptr);
}

TEST_F(Check, ALimitOfTheRequestHoldsInPlaceOfTheRuleEvenInShadowMode) {
  config::QuotaRule shadow = rule("user", per_minute(100));
  shadow.shadow_mode = true;
  put({shadow});
  const LimitOverride one{1, config::QuotaUnit::kHour};
  const std::vector<Descriptor> request = {{{{"user", "alice"}}, {}, one}};
  EXPECT_FALSE(ask(request).is_over);
  const Decision over = ask(request);
  EXPECT_TRUE(over.is_over);
  EXPECT_EQ(over.verdicts.at(0).limit->settings.requests, 1U);
  EXPECT_EQ(over.verdicts.at(0).limit->settings.unit, config::QuotaUnit::kHour);
  EXPECT_EQ(ask({{"user", "alice"}}).remaining, 99U) << "the rule has a count of its own";
  EXPECT_TRUE(ask({{{{"any", "thing"}}, {}, LimitOverride{0, config::QuotaUnit::kDay}}}).is_over)
      << "no rule is needed";
  const auto unknown = engine.check({"elsewhere", request, 1});
  EXPECT_EQ(unknown->verdicts.at(0).limit, nullptr) << "but the domain is";
}

TEST_F(Check, ALimitThatAnotherReplacesDoesNotHold) {
  config::QuotaRule special = named(rule("special", per_minute(5)), "special");
  special.replaces = {"usual"};
  put({named(rule("user", per_minute(0)), "usual"), special});
  const Descriptor user{{{"user", "alice"}}, {}, {}};
  const Decision both = ask({user, {{{"special", "yes"}}, {}, {}}});
  EXPECT_FALSE(both.is_over);
  EXPECT_EQ(both.verdicts.at(0).limit, nullptr);
  EXPECT_TRUE(ask({user}).is_over);
}

TEST_F(Check, ValuesThatMatchAWildcardShareOneCountIfTheySayTogether) {
  config::QuotaRule shared = rule("path", per_minute(2), "/a*");
  shared.share_threshold = true;
  put({shared, rule("path", per_minute(2), "/b*")});
  ask({{"path", "/a1"}});
  EXPECT_EQ(ask({{"path", "/a2"}}).remaining, 0U);
  ask({{"path", "/b1"}});
  EXPECT_EQ(ask({{"path", "/b2"}}).remaining, 1U);
}

TEST_F(Check, WhatIsSharedAboveARuleIsSharedByIt) {
  config::QuotaRule file = rule("file", std::nullopt, "files/*");
  file.share_threshold = true;
  file.descriptors = {rule("user", per_minute(2))};
  put({file, rule("user", per_minute(2))});
  ask({{"file", "files/1"}, {"user", "alice"}});
  EXPECT_EQ(ask({{"file", "files/2"}, {"user", "alice"}}).remaining, 0U);
  EXPECT_EQ(ask({{"file", "files/2"}, {"user", "bob"}}).remaining, 1U);
  ask({{"user", "alice"}});
  EXPECT_EQ(ask({{"user", "bob"}}).remaining, 1U) << "a rule beside it shares nothing";
}

TEST_F(Check, CountsWhatIsNearTheLimit) {
  put({rule("user", per_minute(10))});
  for (int i = 0; i < 8; ++i) ask({{"user", "alice"}});
  EXPECT_EQ(tally().near_limit, 0U) << "80 % is not more than 80 %";
  ask({{"user", "alice"}});
  EXPECT_EQ(tally().near_limit, 1U);
  EXPECT_EQ(tally().admitted, 9U);
}

TEST_F(Check, WhoInsistsIsToldToWaitLonger) {
  put({rule("user", rolling(1, seconds(10), 1))});
  ask({{"user", "alice"}});
  EXPECT_EQ(ask({{"user", "alice"}}).retry_after, seconds(10));
  for (int i = 0; i < 10; ++i) ask({{"user", "alice"}});
  EXPECT_EQ(ask({{"user", "alice"}}).retry_after, seconds(20));
  for (int i = 0; i < 100; ++i) ask({{"user", "alice"}});
  EXPECT_EQ(ask({{"user", "alice"}}).retry_after, seconds(80)) << "and no longer than that";
  pass(10 * kSecond);
  EXPECT_FALSE(ask({{"user", "alice"}}).is_over) << "though he is admitted when there is room";
  EXPECT_EQ(ask({{"user", "alice"}}).retry_after, seconds(10));
}

TEST_F(Check, StaysWithinMaxKeys) {
  config::Quotas quotas = domain({rule("user", per_minute(10))});
  quotas.domains[0].max_keys = 100;
  put(quotas);
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = std::to_string(i);
    ask({{"user", name}});
    pass(kSecond / 10'000);
  }
  const auto keys = Engine::keys(engine.policy()->domains.at("api"));
  EXPECT_EQ(keys.keys, 100U);
  EXPECT_EQ(keys.evicted, 9'900U);
  EXPECT_EQ(keys.max_keys, 100U);
}

TEST_F(Check, SaysWhatIsWrongWithARequest) {
  put({rule("user", per_minute(1))});
  const auto error = [&](const Request& request) {
    const auto decision = engine.check(request);
    return decision ? std::string() : decision.error().message;
  };
  const Descriptor good{{{"user", "alice"}}, {}, {}};
  EXPECT_EQ(error({"", {good}, 1}), "the request names no domain");
  EXPECT_EQ(error({"api", {}, 1}), "the request has no descriptors");
  EXPECT_EQ(error({"api", {{{}, {}, {}}}, 1}),
            "the descriptor has no entries; at least one is needed");
  EXPECT_EQ(error({"api", {good, {{{"", "x"}}, {}, {}}}, 1}),
            "descriptor 2 has an entry without a key");
  EXPECT_NE(error({"api", std::vector<Descriptor>(1'001, good), 1}), "");
  EXPECT_NE(error({"api", {{Entries(33, {"user", "x"}), {}, {}}}, 1}), "");
  // A header that a client makes as long as it likes must not switch off its limit.
  const std::string endless(50'000, 'x');
  EXPECT_EQ(error({"api", {{{{"user", endless}}, {}, {}}}, 1}), "");
  EXPECT_TRUE(ask({{"user", endless}}).is_over);
  EXPECT_EQ(error({"api", {{{{"user", "x"}}, {}, LimitOverride{}}}, 1}),
            "the descriptor has a limit without a unit");
}

}  // namespace
}  // namespace headgate::quota
