// SPDX-License-Identifier: Apache-2.0
#include "quota/gcra.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace headgate::quota {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

// A bucket that is filled all the time, counted in ticks: what the algorithm stands for.
class Bucket {
 public:
  Bucket(std::uint64_t interval, std::uint64_t burst)
      : interval_(interval), most_(interval * burst), level_(most_) {}

  bool take(Ticks now, std::uint64_t cost) {
    if (now > last_) level_ = std::min(most_, level_ + (now - last_));
    last_ = std::max(last_, now);
    if (cost * interval_ > level_) return false;
    level_ -= cost * interval_;
    return true;
  }

 private:
  std::uint64_t interval_;
  std::uint64_t most_;
  std::uint64_t level_;
  Ticks last_ = 0;
};

struct Counter {
  Gcra gcra;
  Ticks tat = 0;

  Gcra::Outcome ask(Ticks now, std::uint64_t cost = 1) {
    const Gcra::Outcome outcome = gcra.judge(tat, now, cost);
    if (outcome.is_admitted) tat = outcome.next;
    return outcome;
  }
};

TEST(Gcra, AdmitsTheBurstAtOnceAndNotOneMore) {
  Counter counter{Gcra::make(10, kSecond, 5)};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(counter.ask(to_ticks(kSecond)).is_admitted) << i;
  EXPECT_FALSE(counter.ask(to_ticks(kSecond)).is_admitted);
}

TEST(Gcra, AdmitsOneMoreAfterExactlyOneInterval) {
  Counter counter{Gcra::make(10, kSecond, 1)};
  const Ticks begin = to_ticks(5 * kSecond);
  const Ticks interval = to_ticks(kSecond / 10);
  ASSERT_TRUE(counter.ask(begin).is_admitted);
  EXPECT_FALSE(counter.ask(begin + interval - 1).is_admitted);
  EXPECT_TRUE(counter.ask(begin + interval).is_admitted);
}

TEST(Gcra, SaysExactlyWhenTheSameRequestIsAdmitted) {
  Counter counter{Gcra::make(7, kSecond, 10)};
  const Ticks begin = to_ticks(kSecond);
  ASSERT_TRUE(counter.ask(begin, 8).is_admitted);
  const Gcra::Outcome refused = counter.ask(begin, 4);
  ASSERT_FALSE(refused.is_admitted);
  EXPECT_FALSE(counter.gcra.judge(counter.tat, begin + refused.retry_after - 1, 4).is_admitted);
  EXPECT_TRUE(counter.gcra.judge(counter.tat, begin + refused.retry_after, 4).is_admitted);
}

TEST(Gcra, RefusesForEverWhatIsLargerThanTheBurst) {
  Counter counter{Gcra::make(10, kSecond, 5)};
  const Gcra::Outcome outcome = counter.ask(to_ticks(kSecond), 6);
  EXPECT_FALSE(outcome.is_admitted);
  EXPECT_EQ(outcome.retry_after, Gcra::kNever);
  EXPECT_EQ(outcome.left, 5U) << "and takes nothing";
}

TEST(Gcra, RefusesAllWhereNothingIsAllowed) {
  for (const Gcra none : {Gcra::make(0, kSecond, 5), Gcra::make(5, kSecond, 0)}) {
    EXPECT_FALSE(none.judge(0, to_ticks(kSecond), 1).is_admitted);
    EXPECT_EQ(none.judge(0, to_ticks(kSecond), 1).retry_after, Gcra::kNever);
    EXPECT_EQ(none.judge(0, to_ticks(kSecond), 0).left, 0U);
  }
}

TEST(Gcra, SurvivesAClockThatGoesBackwards) {
  Counter counter{Gcra::make(10, kSecond, 5)};
  ASSERT_TRUE(counter.ask(to_ticks(100 * kSecond), 5).is_admitted);
  const Gcra::Outcome early = counter.ask(to_ticks(kSecond));
  EXPECT_FALSE(early.is_admitted);
  EXPECT_EQ(early.retry_after, to_ticks(kSecond / 10)) << "not 99 seconds";
}

TEST(Gcra, TellsNonsenseInTheStateFromALimit) {
  const Gcra gcra = Gcra::make(10, kSecond, 5);
  const Gcra::Outcome outcome = gcra.judge(~Ticks{0}, to_ticks(kSecond), 1);
  EXPECT_FALSE(outcome.is_admitted);
  EXPECT_LE(outcome.retry_after, to_ticks(kSecond));
}

TEST(Gcra, DoesNotOverflow) {
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  constexpr std::uint64_t kYear = 365ULL * 86'400 * kSecond;
  for (const std::uint64_t requests : {std::uint64_t{1}, std::uint64_t{1} << 32, kMost}) {
    for (const std::uint64_t burst : {std::uint64_t{1}, std::uint64_t{1} << 32, kMost}) {
      const Gcra gcra = Gcra::make(requests, kYear, burst);
      EXPECT_GE(gcra.interval, 1U);
      EXPECT_LE(gcra.tolerance, Gcra::kMost);
      Ticks tat = 0;
      for (const std::uint64_t cost : {std::uint64_t{0}, std::uint64_t{1}, kMost}) {
        const Gcra::Outcome outcome = gcra.judge(tat, to_ticks(kYear), cost);
        if (outcome.is_admitted) tat = outcome.next;
        EXPECT_LE(tat, to_ticks(kYear) + Gcra::kMost);
      }
    }
  }
}

TEST(Gcra, GivesBackWhatWasTaken) {
  Counter counter{Gcra::make(10, kSecond, 5)};
  const Ticks now = to_ticks(kSecond);
  ASSERT_TRUE(counter.ask(now, 5).is_admitted);
  counter.tat = counter.gcra.refund(counter.tat, 2);
  EXPECT_TRUE(counter.ask(now, 2).is_admitted);
  EXPECT_FALSE(counter.ask(now, 1).is_admitted);
  EXPECT_EQ(counter.gcra.refund(5, 1'000), 0U);
}

// Whatever is asked whenever: the verdicts are those of a bucket.
TEST(Gcra, AgreesWithABucketOnRandomRequests) {
  std::mt19937_64 random(20'261'121);
  const auto pick = [&](std::uint64_t low, std::uint64_t high) {
    return std::uniform_int_distribution<std::uint64_t>(low, high)(random);
  };
  for (int round = 0; round < 2'000; ++round) {
    const std::uint64_t burst = pick(1, 50);
    Counter counter{Gcra::make(pick(1, 2'000), pick(1, 100) * kSecond / 10, burst)};
    Bucket bucket(counter.gcra.interval, burst);
    Ticks now = to_ticks(pick(0, 1'000) * kSecond);
    for (int step = 0; step < 200; ++step) {
      now += pick(0, 3) == 0 ? pick(0, 4 * counter.gcra.interval) : pick(0, counter.gcra.interval);
      const std::uint64_t cost = pick(0, burst + 1);
      ASSERT_EQ(counter.ask(now, cost).is_admitted, bucket.take(now, cost))
          << "round " << round << ", step " << step;
    }
  }
}

// In any span of time no more than the burst and what the rate gives.
TEST(Gcra, NeverAdmitsMoreThanBurstAndRate) {
  std::mt19937_64 random(7);
  Counter counter{Gcra::make(100, kSecond, 20)};
  std::uint64_t admitted = 0;
  const Ticks begin = to_ticks(kSecond);
  Ticks now = begin;
  for (int i = 0; i < 100'000; ++i) {
    now += random() % (counter.gcra.interval / 3);
    admitted += counter.ask(now).is_admitted ? 1U : 0U;
    ASSERT_LE(admitted, 20 + (now - begin) / counter.gcra.interval);
  }
  EXPECT_GE(admitted, (now - begin) / counter.gcra.interval);
}

}  // namespace
}  // namespace headgate::quota
