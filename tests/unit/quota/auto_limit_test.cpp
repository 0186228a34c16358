// SPDX-License-Identifier: Apache-2.0
#include "quota/auto_limit.h"

#include <cmath>
#include <cstdint>

#include <gtest/gtest.h>

namespace headgate::quota {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kSecond = 1000 * kMs;
constexpr std::uint64_t kBoot = 987 * kSecond + 654;

// A limit, and the time at which the next request ends.
struct Fixture {
  AutoLimit limit{LimitBounds(1, 10'000), 1};
  std::uint64_t now_ns = kBoot;

  void add(std::uint64_t latency_ns, bool is_failed = false) {
    limit.add({.now_ns = now_ns, .latency_ns = latency_ns, .in_flight = 1, .is_failed = is_failed});
  }
  // Requests, each `step_ns` after the one before.
  void add_many(int count, std::uint64_t step_ns, std::uint64_t latency_ns,
                bool is_failed = false) {
    for (int i = 0; i < count; ++i, now_ns += step_ns) add(latency_ns, is_failed);
  }
};

TEST(AutoLimit, BeginsAtFortyOrTheNearestThatIsAllowed) {
  EXPECT_EQ(AutoLimit(LimitBounds(9, 1000), 1).limit(), 40);
  EXPECT_EQ(AutoLimit(LimitBounds(9, 20), 1).limit(), 20);
  EXPECT_EQ(AutoLimit(LimitBounds(60, 100), 1).limit(), 60);
}

// 200 requests of 10 ms, of which the last ends 199 ms after the first: 1005 a second, 10.05 at
// once.
TEST(AutoLimit, IsLittlesLawAndRoomToExplore) {
  Fixture given;
  given.add_many(199, kMs, 10 * kMs);
  EXPECT_EQ(given.limit.limit(), 40);
  given.add(10 * kMs);
  EXPECT_DOUBLE_EQ(given.limit.lowest_latency_us(), 10'000);
  EXPECT_DOUBLE_EQ(given.limit.highest_rate(), 200 / 0.199);
  EXPECT_EQ(given.limit.limit(), std::ceil(200 / 0.199 * 0.01 * 1.3));
}

TEST(AutoLimit, LatencyIsRoundedUpToMicroseconds) {
  Fixture given;
  given.add_many(200, kMs, 10 * kMs + 1);
  EXPECT_DOUBLE_EQ(given.limit.lowest_latency_us(), 10'001);
}

TEST(AutoLimit, AWindowOfASecondNeedsAHundredSamples) {
  Fixture given;
  given.add_many(2000, 10'300'000, 100 * kMs);  // the 99th ends the second
  EXPECT_EQ(given.limit.limit(), 40);
  EXPECT_EQ(given.limit.lowest_latency_us(), 0);
  given.now_ns += 10 * kSecond;
  given.add(100 * kMs);
  given.add_many(101, 10'100'000, 100 * kMs);  // the 100th ends it
  EXPECT_DOUBLE_EQ(given.limit.lowest_latency_us(), 100'000);
}

TEST(AutoLimit, RequestsWithinATenthOfAMillisecondOfASampleCountForTheRateOnly) {
  Fixture given;
  for (int i = 0; i < 200; ++i) {
    given.add(10 * kMs);
    given.add(3600 * kSecond);
    given.now_ns += kMs / 10 - 1;
    given.add(3600 * kSecond);
    given.now_ns += kMs - (kMs / 10 - 1);
  }
  EXPECT_DOUBLE_EQ(given.limit.lowest_latency_us(), 10'000);
  EXPECT_DOUBLE_EQ(given.limit.highest_rate(), (199 * 3 + 1) / 0.199);
}

// A quarter of them fails after 30 ms: (50·30 + 150·10) / 150 ms each.
TEST(AutoLimit, TheTimeOfFailuresIsBorneByTheSuccesses) {
  Fixture given;
  for (int i = 0; i < 50; ++i) {
    given.add_many(1, kMs, 30 * kMs, true);
    given.add_many(3, kMs, 10 * kMs);
  }
  EXPECT_DOUBLE_EQ(given.limit.lowest_latency_us(), 20'000);
  EXPECT_DOUBLE_EQ(given.limit.highest_rate(), 150 / 0.199);
}

TEST(AutoLimit, HalvesWhereAllHasFailed) {
  Fixture given;
  for (const unsigned limit : {20, 10, 5, 2, 1, 1}) {
    given.add_many(200, kMs, 10 * kMs, true);
    EXPECT_EQ(given.limit.limit(), limit);
  }
}

TEST(AutoLimit, TheLowestLatencyComesDownByTenths) {
  Fixture given;
  given.add_many(200, kMs, 20 * kMs);
  given.add_many(200, kMs, 10 * kMs);
  EXPECT_DOUBLE_EQ(given.limit.lowest_latency_us(), 19'000);
  given.add_many(200, kMs, 30 * kMs);
  EXPECT_DOUBLE_EQ(given.limit.lowest_latency_us(), 19'000);
}

TEST(AutoLimit, TheHighestRateGoesUpAtOnceAndDownByHundredths) {
  Fixture given;
  given.add_many(200, kMs, 10 * kMs);
  const double first = 200 / 0.199;
  given.add_many(200, 2 * kMs, 10 * kMs);  // the first of them 1 ms after the last before
  EXPECT_DOUBLE_EQ(given.limit.highest_rate(), 0.99 * first + 0.01 * 200 / 0.399);
  given.add_many(200, kMs / 2, 10 * kMs);
  EXPECT_DOUBLE_EQ(given.limit.highest_rate(), 200 / (0.002 + 199 * 0.0005));
}

TEST(AutoLimit, ExploresLessWhereAFullServiceHasAQueue) {
  Fixture given;
  given.add_many(200, kMs, 10 * kMs);
  double expected = 0.3;
  for (int i = 0; i < 20; ++i) {
    given.add_many(200, kMs, 10'601'000);  // above 1.06 times the lowest
    expected = std::max(0.06, expected - 0.02);
    ASSERT_NEAR(given.limit.explore_ratio(), expected, 1e-12);
    ASSERT_EQ(given.limit.limit(),
              std::ceil(given.limit.highest_rate() * 0.01 * (1 + given.limit.explore_ratio())));
  }
  given.add_many(200, kMs, 10'600'000);
  EXPECT_NEAR(given.limit.explore_ratio(), 0.08, 1e-12);
  given.add_many(200, kMs + kMs / 10, 20 * kMs);  // a queue, but not full
  EXPECT_NEAR(given.limit.explore_ratio(), 0.10, 1e-12);
}

// What happens when the lowest latency is to be measured anew, which is due after 25 to 50 s.
TEST(AutoLimit, MeasuresTheLatencyAnewNowAndThen) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Fixture given{.limit = AutoLimit(LimitBounds(1, 10'000), seed)};
    const auto fallen = [&] {
      return given.limit.limit() <= std::ceil(given.limit.highest_rate() * 0.01 * 0.9);
    };
    while (!fallen()) {
      given.add_many(1, kMs, 10 * kMs);
      ASSERT_LT(given.now_ns, kBoot + 51 * kSecond);
    }
    EXPECT_GE(given.now_ns, kBoot + 25 * kSecond);
    EXPECT_EQ(given.limit.limit(), std::ceil(given.limit.highest_rate() * 0.01 * 0.9));

    // Those that were admitted before are ignored, for twice the latency …
    const double before = given.limit.highest_rate();
    given.add_many(19, kMs, 1);
    EXPECT_EQ(given.limit.lowest_latency_us(), 10'000);
    EXPECT_EQ(given.limit.highest_rate(), before);
    // … and then it may be longer than it was.
    given.add_many(201, kMs, 15 * kMs);
    EXPECT_EQ(given.limit.lowest_latency_us(), 15'000);
  }
}

TEST(AutoLimit, DoesNotMeasureAnewInStepWithOthers) {
  std::uint64_t first_ns = 0;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    Fixture given{.limit = AutoLimit(LimitBounds(1, 10'000), seed)};
    given.add_many(1000, kMs, 10 * kMs);
    while (given.limit.limit() > 10) given.add_many(1, kMs, 10 * kMs);
    if (seed == 1) first_ns = given.now_ns;
    EXPECT_EQ(given.now_ns == first_ns, seed == 1);
  }
}

TEST(AutoLimit, GrowsFromOne) {
  Fixture given;
  given.add_many(1400, kMs, kMs, true);
  ASSERT_EQ(given.limit.limit(), 1);
  // A service that answers what it is sent: `limit` at a time, each after 10 ms.
  for (int i = 0; i < 30; ++i) {
    given.add_many(200, 10 * kMs / given.limit.limit(), 10 * kMs);
  }
  EXPECT_GE(given.limit.limit(), 10);
}

TEST(AutoLimit, ATimeOfAnotherClockBeginsAnew) {
  Fixture given;
  given.add_many(100, kMs, 10 * kMs);
  given.now_ns = 5 * kSecond;
  given.add_many(200, kMs, 10 * kMs);
  EXPECT_DOUBLE_EQ(given.limit.highest_rate(), 200 / 0.199);
}

}  // namespace
}  // namespace headgate::quota
