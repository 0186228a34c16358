// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "deny_fixture.h"

namespace headgate::manage {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_F(DenyBookTest, AnEntryHoldsUntilItsEndAndNotLonger) {
  const DenyReport report = add({entry(kOne, seconds(10), "scan")});
  EXPECT_EQ(report.added, 1U);
  EXPECT_EQ(report.replaced, 0U);
  EXPECT_EQ(left(kOne), seconds(10));
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].entry.reason, "scan");
  EXPECT_EQ(list()[0].entry.until, clock_.now().wall + seconds(10));
  EXPECT_EQ(list()[0].source, DenyListed::Source::kOperator);

  clock_.pass(seconds(10) - std::chrono::nanoseconds(1));
  EXPECT_TRUE(is_denied(kOne));
  EXPECT_EQ(list().size(), 1U);
  clock_.pass(std::chrono::nanoseconds(1));
  EXPECT_FALSE(is_denied(kOne));  // nobody has swept
  EXPECT_TRUE(list().empty());
  EXPECT_FALSE(book_.find(kOne, clock_.now()));
}

TEST_F(DenyBookTest, AnEntryWithoutAnEndHoldsForGood) {
  add({{kNet, "", std::nullopt}});
  clock_.pass(hours(24 * 365 * 50));
  expire();
  EXPECT_TRUE(is_denied(kNet));
  ASSERT_EQ(list().size(), 1U);
  EXPECT_FALSE(list()[0].entry.until);
}

TEST_F(DenyBookTest, AReAddedEntryHasTheNewEndBeItLaterOrEarlier) {
  add({entry(kOne, hours(1), "first")});
  clock_.pass(seconds(1));
  const DenyReport report = add({entry(kOne, minutes(5), "second")});
  EXPECT_EQ(report.added, 0U);
  EXPECT_EQ(report.replaced, 1U);
  EXPECT_EQ(left(kOne), minutes(5));
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].entry.reason, "second");
  add({{kOne, "third", std::nullopt}});
  clock_.pass(hours(24));
  EXPECT_TRUE(is_denied(kOne));
}

TEST_F(DenyBookTest, OfTwoOfTheSameRangeInOneCallTheLastCounts) {
  const DenyReport report = add({entry(kOne, hours(1)), entry(kOne, minutes(1), "last")});
  EXPECT_EQ(report.added, 1U);
  EXPECT_EQ(report.replaced, 1U);
  EXPECT_EQ(left(kOne), minutes(1));
  EXPECT_EQ(list()[0].entry.reason, "last");
}

// The end may pass between the check of the request and the change.
TEST_F(DenyBookTest, AnEntryWhoseEndHasPassedIsNotThere) {
  add({entry(kOne, seconds(0))});
  EXPECT_FALSE(is_denied(kOne));
  EXPECT_TRUE(list().empty());
  EXPECT_EQ(book_.size(), 0U);
}

TEST_F(DenyBookTest, AnEndThatHasPassedTakesNothingFromALaterEntryOfTheSameRange) {
  add({entry(kOne, seconds(0)), entry(kOne, hours(1))});
  EXPECT_EQ(list().size(), 1U);
  EXPECT_EQ(left(kOne), hours(1));
}

TEST_F(DenyBookTest, ARangeAndAnAddressInItAreTwoEntries) {
  add({entry(kNet, minutes(1)), entry(kOne, minutes(2))});
  EXPECT_EQ(book_.size(), 2U);
  remove({kNet});
  EXPECT_FALSE(is_denied(kNet));
  EXPECT_EQ(left(kOne), minutes(2));
}

TEST_F(DenyBookTest, RemovesWhatIsThereAndCountsWhatIsNot) {
  add({entry(kOne, hours(1)), entry(kOther, hours(1))});
  const DenyReport report = remove({kOne, kNet, kOne});
  EXPECT_EQ(report.removed, 1U);
  EXPECT_EQ(report.unknown, 2U);
  EXPECT_FALSE(is_denied(kOne));
  EXPECT_TRUE(is_denied(kOther));
  EXPECT_EQ(book_.size(), 1U);
}

TEST_F(DenyBookTest, ExpiryForgetsWhatHasEndedAndNothingElse) {
  add({entry(kOne, seconds(1)), entry(kNet, seconds(2)), {kOther, "", std::nullopt}});
  expire();
  EXPECT_EQ(book_.size(), 3U);
  clock_.pass(seconds(1));
  EXPECT_EQ(book_.size(), 3U);
  expire();
  EXPECT_EQ(book_.size(), 2U);
  EXPECT_EQ(kernel_.size(), 2U);
  clock_.pass(hours(1));
  expire();
  EXPECT_EQ(book_.size(), 1U);
  EXPECT_TRUE(is_denied(kOther));
}

TEST_F(DenyBookTest, UndoTakesBackWhatWasAddedAndGivesBackWhatWasReplaced) {
  add({entry(kOne, hours(1), "old")});
  const auto before = kernel_.denied();
  add({entry(kOne, minutes(1), "new"), entry(kOther, minutes(1)), entry(kOne, minutes(2), "newer"),
       entry(kOther, minutes(3))});
  EXPECT_NE(kernel_.denied(), before);
  undo();
  EXPECT_EQ(kernel_.denied(), before);
  EXPECT_EQ(book_.size(), 1U);
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].entry.cidr, kOne);
  EXPECT_EQ(list()[0].entry.reason, "old");
}

TEST_F(DenyBookTest, UndoAfterTheReplacedEntryHasEndedLeavesNeither) {
  add({entry(kOne, seconds(1), "old")});
  add({entry(kOne, hours(1), "new")});
  clock_.pass(seconds(1));
  undo();
  EXPECT_FALSE(is_denied(kOne));
  EXPECT_EQ(kernel_.size(), 0U);
  EXPECT_EQ(book_.size(), 0U);
}

TEST_F(DenyBookTest, WhatHasExpiredAndNobodyHasForgottenIsNew) {
  add({entry(kOne, seconds(1)), entry(kOther, seconds(1))});
  clock_.pass(seconds(1));
  EXPECT_EQ(add({entry(kOne, seconds(1))}).added, 1U);
  EXPECT_EQ(remove({kOther}).unknown, 1U);
  EXPECT_EQ(kernel_.size(), 1U);
  EXPECT_EQ(book_.size(), 1U);
}

TEST_F(DenyBookTest, AStepOfTheWallClockMovesTheEndThatIsToldAndNotTheOther) {
  add({entry(kOne, hours(3)), {kNet, "", std::nullopt}});
  for (const auto step : {hours(10), -hours(20)}) {
    clock_.step_wall(step);
    book_.follow_wall_clock(clock_.now());
    EXPECT_EQ(left(kOne), hours(3));
    EXPECT_EQ(book_.find(kOne, clock_.now())->entry.until, clock_.now().wall + hours(3));
    EXPECT_FALSE(book_.find(kNet, clock_.now())->entry.until);
  }
}

// The kernel has failed somewhere; the book is right.
TEST_F(DenyBookTest, EverythingMakesUpForOrdersThatWereNotFollowed) {
  add({entry(kOne, hours(1)), entry(kNet, hours(1))});
  book_.followed();
  DenyReport report;
  book_.remove({kOne, kNet}, clock_.now(), report);                                   // lost
  book_.add({entry(kOne, hours(2)), entry(kOther, hours(3))}, clock_.now(), report);  // lost, too
  EXPECT_EQ(left(kOne), hours(1));
  const DenyBook::Orders all = book_.everything();
  EXPECT_EQ(all.stop, std::vector<Prefix>{kNet});  // kOne is denied again
  kernel_.follow(all);
  EXPECT_EQ(left(kOne), hours(2));
  EXPECT_EQ(left(kOther), hours(3));
  EXPECT_FALSE(is_denied(kNet));
  book_.followed();
  EXPECT_TRUE(book_.everything().stop.empty());
}

TEST_F(DenyBookTest, TheBookIsInTheOrderOfTheAddresses) {
  const Prefix later = *Prefix::parse("203.0.113.9");
  add({entry(kOther, hours(1)), entry(later, hours(1)), entry(kOne, hours(1)),
       entry(kNet, hours(1))});
  std::vector<std::string> found;
  for (const DenyListed& line : list()) found.push_back(line.entry.cidr.to_string());
  EXPECT_EQ(found, (std::vector<std::string>{"192.0.2.0/24", "192.0.2.1", "203.0.113.9",
                                             "2001:db8::/32"}));
}

TEST_F(DenyBookTest, SizesCountARangeOnce) {
  add({entry(kOne, minutes(1)), entry(kNet, hours(1))});
  const auto size_with = [this](const std::vector<DenyEntry>& entries) {
    return book_.size_with(entries, clock_.now());
  };
  EXPECT_EQ(book_.size(), 2U);
  EXPECT_EQ(size_with({}), 2U);
  EXPECT_EQ(size_with({entry(kOne, hours(1)), entry(kNet, hours(1))}), 2U);
  EXPECT_EQ(size_with({entry(kOther, hours(1)), entry(kOther, hours(2))}), 3U);
  EXPECT_EQ(book_.size(), 2U);  // asking adds nothing
  clock_.pass(minutes(1));      // the first has ended, and nobody has swept
  EXPECT_EQ(size_with({}), 1U);
  EXPECT_EQ(size_with({entry(kOther, hours(1))}), 2U);
  EXPECT_EQ(size_with({entry(kOne, hours(1))}), 2U);
}

TEST_F(DenyBookTest, AHundredThousandEntriesAreQuick) {
  constexpr std::uint32_t kMany = 100'000;
  std::vector<DenyEntry> entries;
  std::vector<Prefix> cidrs;
  for (std::uint32_t i = 0; i < kMany; ++i) {
    const auto byte = [i](unsigned shift) { return std::to_string(i >> shift & 0xffU); };
    cidrs.push_back(*Prefix::parse("10." + byte(16) + "." + byte(8) + "." + byte(0)));
    entries.push_back(entry(cidrs.back(), hours(1)));
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(add(entries).added, kMany);
  EXPECT_EQ(add(entries).replaced, kMany);
  EXPECT_EQ(book_.size_with(entries, clock_.now()), kMany);
  undo();
  EXPECT_EQ(list().size(), kMany);
  book_.follow_wall_clock(clock_.now());
  EXPECT_EQ(book_.everything().deny.size(), kMany);
  EXPECT_EQ(kernel_.size(), kMany);
  EXPECT_EQ(remove(cidrs).removed, kMany);
  EXPECT_EQ(kernel_.size(), 0U);
  EXPECT_EQ(book_.size(), 0U);
  // A dozen walks over all of them; a walk for each of them would take minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(10));
}

TEST_F(DenyBookTest, AnEntryIsAsHardAsItWasAddedLast) {
  DenyEntry hard = entry(kOne, hours(1));
  hard.is_hard = true;
  add({hard, entry(kNet, hours(1))});
  EXPECT_TRUE(book_.has_hard());
  EXPECT_EQ(kernel_.hard(), std::set<Prefix>{kOne});
  EXPECT_TRUE(book_.find(kOne, clock_.now())->entry.is_hard);
  EXPECT_FALSE(book_.find(kNet, clock_.now())->entry.is_hard);
  add({entry(kOne, hours(1))});
  EXPECT_FALSE(book_.has_hard());
  EXPECT_TRUE(kernel_.hard().empty());
  undo();
  EXPECT_TRUE(book_.has_hard());
  EXPECT_EQ(kernel_.hard(), std::set<Prefix>{kOne});
  remove({kOne});
  EXPECT_FALSE(book_.has_hard());
}

TEST_F(DenyBookTest, NoEntryIsHardWhenTheLastOfThemHasExpired) {
  DenyEntry hard = entry(kOne, seconds(1));
  hard.is_hard = true;
  add({hard, entry(kNet, hours(1))});
  clock_.pass(seconds(1));
  expire();
  EXPECT_FALSE(book_.has_hard());
  EXPECT_TRUE(kernel_.hard().empty());
}

TEST_F(DenyBookTest, WhatIsRestoredIsAsHardAsItWas) {
  book_.restore({{kOne, HG_FOR_GOOD, "", true}, {kNet, HG_FOR_GOOD, "", false}}, clock_.now());
  EXPECT_TRUE(book_.has_hard());
  EXPECT_TRUE(book_.find(kOne, clock_.now())->entry.is_hard);
  EXPECT_EQ(book_.everything().deny.size(), 2U);
  EXPECT_TRUE(book_.everything().deny.front().is_hard != book_.everything().deny.back().is_hard);
  remove({kOne});
  EXPECT_FALSE(book_.has_hard());
}

}  // namespace
}  // namespace headgate::manage
