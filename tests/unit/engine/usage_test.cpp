// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/usage.h"

#include <string>

#include <gtest/gtest.h>

#include "world.h"

namespace headgate::quota {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Whom = config::ClientQuota::Whom;

config::ClientQuota user_quota(Whom whom, const std::string& name, double percent) {
  config::ClientQuota quota;
  quota.user = whom;
  quota.user_name = name;
  quota.time_percent = percent;
  return quota;
}

UsageReport took(std::string_view user, milliseconds time) {
  UsageReport report;
  report.who.user = user;
  report.time = time;
  return report;
}

class UsageTest : public testing::Test {
 protected:
  Usage usage{100};
  std::uint64_t now = 1'000 * kSecond;
};

// One second's work at once, of a quota of 5 %: O = 100 / 10 s = 10 %, X = (10 - 5) / 5 · 10 s.
TEST_F(UsageTest, TellsHowLongToBeSilentAndNoLongerThanASecond) {
  usage.put_in_force({user_quota(Whom::kOne, "alice", 5)});
  const Throttle throttle = usage.report(took("alice", seconds(1)), now);
  EXPECT_EQ(throttle.time, seconds(1)) << "10 s, capped at one sample";
  EXPECT_EQ(throttle.kind, UsageKind::kTime);
  EXPECT_DOUBLE_EQ(throttle.observed, 10);
  EXPECT_DOUBLE_EQ(throttle.quota, 5);
  EXPECT_EQ(usage.report(took("bob", seconds(5)), now).time, milliseconds(0)) << "he has no quota";
}

TEST_F(UsageTest, BytesAreThrottledForAsLongAsItTakes) {
  config::ClientQuota quota;
  quota.client = Whom::kDefault;
  quota.bytes_per_second = 1'000;
  usage.put_in_force({quota});
  UsageReport report;
  report.who.client = "app";
  report.bytes = 50'000;
  const Throttle throttle = usage.report(report, now);
  EXPECT_EQ(throttle.time, seconds(40)) << "5000 a second, (5000 - 1000) / 1000 · 10 s";
  EXPECT_EQ(throttle.kind, UsageKind::kBytes);
  report.who.client = "another app";
  report.bytes = 10'000;
  EXPECT_EQ(usage.report(report, now).time, milliseconds(0)) << "with a bucket of its own";
}

TEST_F(UsageTest, NewConnectionsAreCountedByAddress) {
  config::ClientQuota quota;
  quota.user = Whom::kDefault;
  quota.connections_per_second = 1;
  usage.put_in_force({quota});
  UsageReport report;
  report.who.user = "alice";
  report.address = "192.0.2.1";
  report.connections = 11;
  EXPECT_EQ(usage.report(report, now).time, seconds(1));
  report.address = "192.0.2.2";
  report.connections = 10;
  EXPECT_EQ(usage.report(report, now).time, milliseconds(0));
}

TEST_F(UsageTest, AskingTellsWhatIsLeftOfAThrottle) {
  usage.put_in_force({user_quota(Whom::kOne, "alice", 5)});
  usage.report(took("alice", seconds(1)), now);
  now += kSecond / 4;
  const Throttle asked = usage.report(took("alice", milliseconds(0)), now);
  EXPECT_EQ(asked.time, milliseconds(750));
  EXPECT_FALSE(asked.was_ignored) << "to ask is no use";
  now += kSecond;
  EXPECT_EQ(usage.report(took("alice", milliseconds(0)), now).time, milliseconds(0));
}

TEST_F(UsageTest, SaysWhoIgnoresHisThrottle) {
  usage.put_in_force({user_quota(Whom::kOne, "alice", 5)});
  EXPECT_FALSE(usage.report(took("alice", seconds(1)), now).was_ignored);
  now += kSecond / 2;
  EXPECT_TRUE(usage.report(took("alice", milliseconds(1)), now).was_ignored);
  now += 20 * kSecond;
  EXPECT_FALSE(usage.report(took("alice", milliseconds(1)), now).was_ignored);
}

TEST_F(UsageTest, WhatIsExemptIsCountedApart) {
  usage.put_in_force({user_quota(Whom::kOne, "alice", 5)});
  UsageReport exempt = took("alice", seconds(60));
  exempt.is_exempt = true;
  EXPECT_EQ(usage.report(exempt, now).time, milliseconds(0));
  EXPECT_DOUBLE_EQ(usage.totals(UsageKind::kTime).exempt, 60);
  EXPECT_EQ(usage.report(took("alice", milliseconds(1)), now).time, milliseconds(0));
  usage.report(took("alice", seconds(1)), now);
  EXPECT_EQ(usage.totals(UsageKind::kTime).throttled, seconds(1));
}

TEST_F(UsageTest, WhatWasUsedStaysOverAReload) {
  usage.put_in_force({user_quota(Whom::kOne, "alice", 20)});
  EXPECT_EQ(usage.report(took("alice", seconds(1)), now).time, milliseconds(0));
  usage.put_in_force({user_quota(Whom::kOne, "alice", 5)});
  EXPECT_GT(usage.report(took("alice", milliseconds(1)), now).time, milliseconds(900));
}

TEST_F(UsageTest, RemembersABoundedNumberOfBuckets) {
  usage.put_in_force({user_quota(Whom::kDefault, "", 5)});
  for (int i = 0; i < 1'000; ++i) {
    const std::string name = std::to_string(i);
    usage.report(took(name, milliseconds(1)), now);
  }
  EXPECT_EQ(usage.buckets(), 100U);
}

class Report : public World {};

TEST_F(Report, IsHeldAgainstTheQuotasOfTheDomain) {
  config::Quotas quotas = domain({});
  quotas.domains[0].clients = {user_quota(Whom::kOne, "alice", 5)};
  put(quotas);
  const auto throttle = engine.report("api", took("alice", seconds(1)));
  ASSERT_TRUE(throttle);
  EXPECT_EQ(throttle->time, seconds(1));
  EXPECT_EQ(engine.report("elsewhere", took("alice", seconds(9)))->time, milliseconds(0));
}

TEST_F(Report, SaysWhatIsWrongWithIt) {
  put(domain({}));
  EXPECT_FALSE(engine.report("", took("alice", seconds(1))));
  EXPECT_FALSE(engine.report("api", took("alice", seconds(-1))));
  EXPECT_FALSE(engine.report("api", took("", seconds(1))));
  EXPECT_FALSE(engine.report("api", UsageReport{}));
}

}  // namespace
}  // namespace headgate::quota
