// SPDX-License-Identifier: Apache-2.0
#include "quota/backoff.h"

#include <chrono>
#include <cstdint>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "quota/random.h"

namespace headgate::quota {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr BackoffSettings kSettings{milliseconds(100), seconds(10)};

TEST(Backoff, TheCeilingDoublesUpToTheCap) {
  EXPECT_EQ(backoff_ceiling(kSettings, 0), milliseconds(100));
  EXPECT_EQ(backoff_ceiling(kSettings, 1), milliseconds(200));
  EXPECT_EQ(backoff_ceiling(kSettings, 6), milliseconds(6400));
  EXPECT_EQ(backoff_ceiling(kSettings, 7), seconds(10));
  EXPECT_EQ(backoff_ceiling(kSettings, 63), seconds(10));
  EXPECT_EQ(backoff_ceiling(kSettings, std::numeric_limits<std::uint32_t>::max()), seconds(10));
}

TEST(Backoff, TheCeilingNeverOverflows) {
  const BackoffSettings longest{nanoseconds(1), nanoseconds::max()};
  EXPECT_EQ(backoff_ceiling(longest, 62), nanoseconds(std::int64_t{1} << 62));
  EXPECT_EQ(backoff_ceiling(longest, 63), nanoseconds::max());
  EXPECT_EQ(backoff_ceiling({nanoseconds(3), nanoseconds::max()}, 62), nanoseconds::max());
  EXPECT_EQ(backoff_ceiling({seconds(20), seconds(10)}, 0), seconds(10));
}

TEST(Backoff, WhatIsNegativeCountsAsNone) {
  Random random(1);
  EXPECT_EQ(backoff_ceiling({seconds(-1), seconds(10)}, 3), seconds(0));
  EXPECT_EQ(backoff_ceiling({seconds(1), seconds(-10)}, 3), seconds(0));
  EXPECT_EQ(backoff({seconds(0), seconds(0)}, 3, random, seconds(-1)), seconds(0));
}

TEST(Backoff, IsAnythingBetweenNothingAndTheCeiling) {
  Random random(2);
  for (const std::uint32_t failures : {0, 3, 100}) {
    const nanoseconds most = backoff_ceiling(kSettings, failures);
    double sum = 0;
    nanoseconds shortest = most;
    nanoseconds longest{0};
    for (int i = 0; i < 10'000; ++i) {
      const nanoseconds wait = backoff(kSettings, failures, random);
      shortest = std::min(shortest, wait);
      longest = std::max(longest, wait);
      sum += static_cast<double>(wait.count());
    }
    EXPECT_GE(shortest, nanoseconds(0));
    EXPECT_LT(shortest, most / 100);
    EXPECT_LE(longest, most);
    EXPECT_GT(longest, most / 100 * 99);
    EXPECT_NEAR(sum / 10'000, static_cast<double>(most.count()) / 2,
                static_cast<double>(most.count()) / 50);
  }
}

TEST(Backoff, WaitsAsLongAsTheServerSaysAndThenSome) {
  std::mt19937 random(3);
  bool parts = false;
  for (int i = 0; i < 1000; ++i) {
    const nanoseconds wait = backoff(kSettings, 2, random, seconds(5));
    ASSERT_GE(wait, seconds(5));
    ASSERT_LE(wait, seconds(5) + milliseconds(400));
    parts = parts || wait > seconds(5) + milliseconds(300);
  }
  EXPECT_TRUE(parts);
  EXPECT_EQ(backoff(kSettings, 0, random, nanoseconds::max()), nanoseconds::max());
}

TEST(Random, IsTheGeneratorItSaysItIs) {
  Random random(1234567);  // the reference values of SplitMix64
  EXPECT_EQ(random(), 6457827717110365317U);
  EXPECT_EQ(random(), 3203168211198807973U);
  EXPECT_EQ(random(), 9817491932198370423U);
}

}  // namespace
}  // namespace headgate::quota
