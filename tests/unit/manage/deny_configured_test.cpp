// SPDX-License-Identifier: Apache-2.0
// The deny list of the configuration beside that of the operators, and the wall clock.
#include <chrono>

#include <gtest/gtest.h>

#include "deny_fixture.h"

namespace headgate::manage {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

TEST_F(DenyBookTest, OfConfigurationAndOperatorTheLaterEndHolds) {
  configure({configured(kOne, hours(1), "file")});
  EXPECT_EQ(left(kOne), hours(1));
  EXPECT_EQ(list()[0].source, DenyListed::Source::kConfig);
  EXPECT_EQ(list()[0].entry.reason, "file");

  const DenyReport report = add({entry(kOne, minutes(1), "hand")});  // earlier: changes nothing
  EXPECT_EQ(report.added, 1U);
  EXPECT_EQ(left(kOne), hours(1));
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].source, DenyListed::Source::kConfig);
  EXPECT_EQ(list()[0].entry.reason, "file");

  add({entry(kOne, hours(2), "hand")});
  EXPECT_EQ(left(kOne), hours(2));
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].source, DenyListed::Source::kOperator);
  EXPECT_EQ(list()[0].entry.reason, "hand");
  EXPECT_EQ(book_.find(kOne, clock_.now())->entry.reason, "hand");
}

TEST_F(DenyBookTest, RemovingTheOperatorsClaimLeavesTheConfigurations) {
  configure({configured(kOne, hours(1), "file")});
  add({entry(kOne, hours(2), "hand")});
  EXPECT_EQ(remove({kOne}).removed, 1U);
  EXPECT_EQ(left(kOne), hours(1));
  EXPECT_EQ(list()[0].entry.reason, "file");
}

TEST_F(DenyBookTest, TakingItOutOfTheConfigurationLeavesTheOperatorsClaim) {
  configure({configured(kOne, hours(2)), configured(kOther, hours(1))});
  add({entry(kOne, hours(1), "hand")});
  configure({});
  EXPECT_EQ(left(kOne), hours(1));
  EXPECT_FALSE(is_denied(kOther));
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].source, DenyListed::Source::kOperator);
}

TEST_F(DenyBookTest, AReloadOrdersOnlyWhatHasChanged) {
  add({entry(kNet, hours(1))});
  const config::Deny one = configured(kOne, hours(1), "a");
  const config::Deny other = configured(kOther, hours(1), "b");
  configure({one, other});
  clock_.pass(minutes(1));
  const DenyBook::Orders same = book_.set_configured({other, one}, clock_.now());
  EXPECT_TRUE(same.deny.empty());
  EXPECT_TRUE(same.stop.empty());

  config::Deny longer = one;
  *longer.until += hours(1);
  const DenyBook::Orders changed = book_.set_configured({longer}, clock_.now());
  ASSERT_EQ(changed.deny.size(), 1U);
  EXPECT_EQ(changed.deny[0].cidr, kOne);
  ASSERT_EQ(changed.stop.size(), 1U);
  EXPECT_EQ(changed.stop[0], kOther);
  kernel_.follow(changed);
  EXPECT_EQ(left(kOne), hours(2) - minutes(1));
}

TEST_F(DenyBookTest, AConfiguredEntryWhoseEndHasPassedIsNotThere) {
  configure({configured(kOne, -hours(1)), {kOther, "", std::nullopt, {}}});
  EXPECT_FALSE(is_denied(kOne));
  EXPECT_TRUE(is_denied(kOther));
  EXPECT_EQ(list().size(), 1U);
}

TEST_F(DenyBookTest, ReloadingAnEntryWithoutItsEndMakesItHoldForGood) {
  configure({configured(kOne, hours(1))});
  configure({{kOne, "", std::nullopt, {}}});
  clock_.pass(hours(48));
  EXPECT_TRUE(is_denied(kOne));
}

TEST_F(DenyBookTest, RemovingAConfiguredEntryIsRefusedAndNothingChanges) {
  configure({configured(kOther, hours(1))});
  add({entry(kOne, hours(1))});
  DenyReport report;
  const auto orders = book_.remove({kOne, kOther, kNet}, clock_.now(), report);
  ASSERT_FALSE(orders.has_value());
  EXPECT_EQ(orders.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(orders.error().message,
            "2001:db8::/32 is denied by the configuration (clients.deny); taking it out there, and "
            "a reload, would be right");
  EXPECT_EQ(report.removed, 0U);
  EXPECT_EQ(report.unknown, 0U);
  EXPECT_EQ(list().size(), 2U);
}

TEST_F(DenyBookTest, AStepOfTheWallClockMovesTheEndsOfTheConfigurationOnly) {
  configure({configured(kOne, hours(3)), {kNet, "", std::nullopt, {}}});
  add({entry(kOther, hours(3))});
  clock_.step_wall(hours(1));
  follow_wall_clock();
  EXPECT_EQ(left(kOne), hours(2));
  EXPECT_EQ(left(kOther), hours(3));
  EXPECT_TRUE(is_denied(kNet));
  clock_.step_wall(-hours(2));
  follow_wall_clock();
  EXPECT_EQ(left(kOne), hours(4));
  EXPECT_EQ(left(kOther), hours(3));
  clock_.step_wall(hours(100));
  follow_wall_clock();
  EXPECT_FALSE(is_denied(kOne));
  EXPECT_EQ(left(kOther), hours(3));
  EXPECT_TRUE(is_denied(kNet));
}

TEST_F(DenyBookTest, AnOperatorsClaimOutlivesAConfiguredOneThatAStepHasEnded) {
  configure({configured(kOne, hours(3))});
  add({entry(kOne, hours(1), "hand")});
  clock_.step_wall(hours(10));
  follow_wall_clock();
  EXPECT_EQ(left(kOne), hours(1));
  EXPECT_EQ(list()[0].entry.reason, "hand");
}

// A clock that was ahead when the daemon started, and is then set right.
TEST_F(DenyBookTest, AConfiguredEntryIsBackWhenTheWallClockGoesBackBeforeItsEnd) {
  const config::Deny until_later = configured(kOne, hours(3));
  clock_.step_wall(hours(10));
  configure({until_later});
  EXPECT_FALSE(is_denied(kOne));
  expire();
  clock_.step_wall(-hours(10));
  follow_wall_clock();
  EXPECT_EQ(left(kOne), hours(3));
}

// "until" is told by the wall clock: where that has been set, the time at which the kernel stops.
TEST_F(DenyBookTest, TheEndToldOfAnOperatorsEntryIsWhenItEndsAfterAStepToo) {
  add({entry(kOne, hours(3))});
  clock_.step_wall(hours(10));
  follow_wall_clock();
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].entry.until, clock_.now().wall + left(kOne));
}

}  // namespace
}  // namespace headgate::manage
