// SPDX-License-Identifier: Apache-2.0
#include "quota/fixed_window.h"

#include <gtest/gtest.h>

namespace headgate::quota {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kDay = 86'400 * kSecond;
constexpr std::uint64_t kNow = 1'795'000'000 * kSecond;  // a second, and 40 s into a minute

struct Counter {
  FixedWindow window;
  std::uint64_t state = 0;

  FixedWindow::Outcome ask(std::uint64_t now, std::uint64_t cost = 1) {
    const FixedWindow::Outcome outcome = window.judge(state, now, cost);
    state = outcome.counted;
    return outcome;
  }
};

TEST(FixedWindow, AdmitsTheLimitAndNotOneMore) {
  Counter counter{{kMinute, 3}};
  EXPECT_EQ(counter.ask(kNow).left, 2U);
  EXPECT_EQ(counter.ask(kNow).left, 1U);
  const auto last = counter.ask(kNow);
  EXPECT_TRUE(last.is_admitted);
  EXPECT_EQ(last.left, 0U);
  const auto over = counter.ask(kNow);
  EXPECT_FALSE(over.is_admitted);
  EXPECT_EQ(over.left, 0U);
}

TEST(FixedWindow, IsAlignedToTheEpoch) {
  Counter counter{{kMinute, 1}};
  const std::uint64_t begin = kNow / kMinute * kMinute;
  EXPECT_TRUE(counter.ask(begin + kMinute - 1).is_admitted);
  EXPECT_EQ(counter.ask(begin + kMinute - 1).until_reset_ns, 1U);
  const auto next = counter.ask(begin + kMinute);
  EXPECT_TRUE(next.is_admitted) << "the next window has begun";
  EXPECT_EQ(next.until_reset_ns, kMinute);
  EXPECT_FALSE(counter.ask(begin + 2 * kMinute - 1).is_admitted);
  EXPECT_TRUE(counter.ask(begin + 2 * kMinute).is_admitted);
}

TEST(FixedWindow, MonthsHave30DaysAndYears365) {
  for (const std::uint64_t length : {30 * kDay, 365 * kDay}) {
    Counter counter{{length, 1}};
    const std::uint64_t begin = kNow / length * length;
    EXPECT_TRUE(counter.ask(begin).is_admitted);
    EXPECT_EQ(counter.ask(begin).until_reset_ns, length);
    EXPECT_FALSE(counter.ask(begin + length - 1).is_admitted);
    EXPECT_TRUE(counter.ask(begin + length).is_admitted);
  }
}

// As the server whose files we read does it: what is refused is counted too.
TEST(FixedWindow, CountsAlsoWhatIsRefused) {
  Counter counter{{kMinute, 10}};
  ASSERT_TRUE(counter.ask(kNow, 8).is_admitted);
  EXPECT_FALSE(counter.ask(kNow, 5).is_admitted);
  EXPECT_FALSE(counter.ask(kNow, 1).is_admitted) << "13 are counted";
}

TEST(FixedWindow, LookingCountsNothing) {
  Counter counter{{kMinute, 1}};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(counter.ask(kNow, 0).is_admitted);
  EXPECT_TRUE(counter.ask(kNow, 1).is_admitted);
  EXPECT_TRUE(counter.ask(kNow, 0).is_admitted) << "the limit is used up, not exceeded";
  EXPECT_FALSE(counter.ask(kNow, 1).is_admitted);
  EXPECT_FALSE(counter.ask(kNow, 0).is_admitted);
}

TEST(FixedWindow, ALimitOf0RefusesAll) {
  Counter counter{{kMinute, 0}};
  const auto outcome = counter.ask(kNow);
  EXPECT_FALSE(outcome.is_admitted);
  EXPECT_TRUE(outcome.is_impossible);
}

TEST(FixedWindow, SaysWhatNoWindowAdmits) {
  Counter counter{{kMinute, 3}};
  EXPECT_TRUE(counter.ask(kNow, 4).is_impossible);
  EXPECT_FALSE(counter.ask(kNow, 3).is_impossible);
}

TEST(FixedWindow, DoesNotOverflow) {
  Counter counter{{kMinute, 4'294'967'295}};
  ASSERT_TRUE(counter.ask(kNow, 4'294'967'295).is_admitted);
  EXPECT_FALSE(counter.ask(kNow, 1).is_admitted);
  EXPECT_FALSE(counter.ask(kNow, ~std::uint64_t{0}).is_admitted);
  EXPECT_EQ(counter.state >> 32, static_cast<std::uint32_t>(kNow / kMinute)) << "no carry";
}

// Two threads look at the clock about the end of a window; the later one is counted first.
TEST(FixedWindow, OneWhoIsLateIsCountedInTheNewWindow) {
  Counter counter{{kMinute, 2}};
  const std::uint64_t begin = kNow / kMinute * kMinute + kMinute;
  ASSERT_TRUE(counter.ask(begin).is_admitted);
  const auto late = counter.ask(begin - 1);
  EXPECT_TRUE(late.is_admitted);
  EXPECT_EQ(late.until_reset_ns, kMinute + 1);
  EXPECT_FALSE(counter.ask(begin).is_admitted);
}

TEST(FixedWindow, AClockThatIsSetBackDoesNotRefuseForLong) {
  Counter counter{{kSecond, 1}};
  ASSERT_TRUE(counter.ask(kNow).is_admitted);
  EXPECT_TRUE(counter.ask(kNow - 3'600 * kSecond).is_admitted);
}

TEST(FixedWindow, GivesBackOnlyInTheSameWindow) {
  Counter counter{{kMinute, 3}};
  const std::uint64_t counted = counter.ask(kNow, 2).counted;
  EXPECT_EQ(counter.window.judge(FixedWindow::refund(counter.state, counted, 2), kNow, 3).left, 0U);
  EXPECT_TRUE(
      counter.window.judge(FixedWindow::refund(counter.state, counted, 2), kNow, 3).is_admitted);
  counter.ask(kNow + kMinute, 1);
  EXPECT_EQ(FixedWindow::refund(counter.state, counted, 2), counter.state);
}

}  // namespace
}  // namespace headgate::quota
