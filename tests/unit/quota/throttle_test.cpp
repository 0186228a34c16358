// SPDX-License-Identifier: Apache-2.0
#include "quota/throttle.h"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace headgate::quota {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Throttle, TheQuotaItselfMayBeUsed) {
  EXPECT_EQ(throttle_time({10, 10 * kSecond}, 10, kLongestThrottle), std::nullopt);
  EXPECT_EQ(throttle_time({9, 10 * kSecond}, 10, kLongestThrottle), std::nullopt);
  EXPECT_NE(throttle_time({std::nextafter(10, 11), 10 * kSecond}, 10, kLongestThrottle),
            std::nullopt);
}

// X = (O − T) / T · W: (10.5 − 10) / 10 · 10 s.
TEST(Throttle, IsAsLongAsTheRateNeedsToComeDown) {
  EXPECT_EQ(throttle_time({10.5, 10 * kSecond}, 10, kLongestThrottle), milliseconds(500));
  EXPECT_EQ(throttle_time({10.5, 11 * kSecond}, 10, kLongestThrottle), milliseconds(550));
}

TEST(Throttle, IsRoundedToMilliseconds) {
  EXPECT_EQ(throttle_time({1.00004, 10 * kSecond}, 1, kLongestThrottle), milliseconds(0));
  EXPECT_EQ(throttle_time({1.00006, 10 * kSecond}, 1, kLongestThrottle), milliseconds(1));
}

TEST(Throttle, OfRequestTimeIsAtMostOneSample) {
  EXPECT_EQ(throttle_time({20, 10 * kSecond}, 10, kLongestThrottle), milliseconds(1000));
  EXPECT_EQ(throttle_time({11, 10 * kSecond}, 10, kLongestThrottle), milliseconds(1000));
  EXPECT_EQ(throttle_time({10.999, 10 * kSecond}, 10, kLongestThrottle), milliseconds(999));
}

TEST(Throttle, OfBytesHasNoCapButTheProtocols) {
  EXPECT_EQ(throttle_time({60'000, 10 * kSecond}, 1000, kNoThrottleCap), milliseconds(590'000));
  EXPECT_EQ(throttle_time({1e300, 10 * kSecond}, 1000, kNoThrottleCap), kNoThrottleCap);
}

TEST(Throttle, WhatIsNoQuotaIsViolatedByEverything) {
  EXPECT_EQ(throttle_time({1, 10 * kSecond}, 0, kLongestThrottle), kLongestThrottle);
  EXPECT_EQ(throttle_time({1, 10 * kSecond}, -1, kLongestThrottle), kLongestThrottle);
  EXPECT_EQ(throttle_time({1, 10 * kSecond}, std::nan(""), kLongestThrottle), kLongestThrottle);
  EXPECT_EQ(throttle_time({kInfinity, 10 * kSecond}, 10, kLongestThrottle), kLongestThrottle);
  EXPECT_EQ(throttle_time({kInfinity, 10 * kSecond}, kInfinity, kLongestThrottle), std::nullopt);
}

TEST(Throttle, OneThreadsWholeTimeIsAHundredPerCent) {
  EXPECT_DOUBLE_EQ(time_share_percent(std::chrono::seconds(1)), 100);
  EXPECT_DOUBLE_EQ(time_share_percent(milliseconds(5)), 0.5);
}

// KIP-124 as a whole: a quota of 50 % of one thread, used by one that would take 100 %.
TEST(Throttle, HoldsAClientThatObeysToItsShareOfTime) {
  SampledRate rate;
  std::uint64_t now = 77 * kSecond;
  const std::uint64_t begin = now;
  std::uint64_t busy_ns = 0;
  while (now < begin + 120 * kSecond) {
    const std::uint64_t served_ns = 20'000'000;
    now += served_ns;
    busy_ns += served_ns;
    rate.record(time_share_percent(std::chrono::nanoseconds(served_ns)), now);
    if (const auto time = throttle_time(rate.observe(now), 50, kLongestThrottle)) {
      now += static_cast<std::uint64_t>(std::chrono::nanoseconds(*time).count());
    }
  }
  // The first 10 s of nothing that are assumed may be used up at once: 5 s of time.
  const double share = static_cast<double>(busy_ns) / static_cast<double>(now - begin);
  EXPECT_GT(share, 0.49);
  EXPECT_LT(share, 0.56);
}

// By hand: 200 % against a quota of 100 %. In the t-th second W is 10 s and what has passed of that
// second, so 200·t > 100·W from 5.01 s on.
TEST(Throttle, ABurstAfterAPauseUsesUpWhatWasSaved) {
  SampledRate rate;
  std::uint64_t now = 77 * kSecond;
  int served = 0;
  while (!throttle_time(rate.observe(now), 100, kLongestThrottle)) {
    rate.record(time_share_percent(milliseconds(20)), now);  // by two threads
    now += 10'000'000;
    ++served;
  }
  EXPECT_EQ(served, 501);
}

TEST(Throttle, NeverExceedsItsCap) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 100'000; ++i) {
    const double rate =
        std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 800) - 400);
    const double quota =
        std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 800) - 400);
    const ObservedRate observed{rate, 10 * kSecond + random() % (2 * kSecond)};
    for (const milliseconds cap : {kLongestThrottle, kNoThrottleCap}) {
      const auto time = throttle_time(observed, quota, cap);
      ASSERT_EQ(time.has_value(), rate > quota);
      if (time) {
        ASSERT_GE(*time, milliseconds(0));
        ASSERT_LE(*time, cap);
      }
    }
  }
}

}  // namespace
}  // namespace headgate::quota
