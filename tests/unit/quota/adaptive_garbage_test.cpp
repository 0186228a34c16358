// SPDX-License-Identifier: Apache-2.0
// What holds for every adaptive limit, whatever it is fed with.
#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "quota/auto_limit.h"
#include "quota/gradient2_limit.h"

namespace headgate::quota {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

AutoLimit make(LimitBounds bounds, std::uint64_t seed, const AutoLimit*) {
  return {bounds, seed};
}
Gradient2Limit make(LimitBounds bounds, std::uint64_t, const Gradient2Limit*) {
  return Gradient2Limit(bounds);
}

template <class Limit>
class AdaptiveLimit : public testing::Test {
 protected:
  static Limit with(LimitBounds bounds, std::uint64_t seed = 1) {
    return make(bounds, seed, static_cast<const Limit*>(nullptr));
  }
};
using Limits = testing::Types<AutoLimit, Gradient2Limit>;
TYPED_TEST_SUITE(AdaptiveLimit, Limits);

TYPED_TEST(AdaptiveLimit, BoundsThatContradictEachOtherAreMendedToTheFloor) {
  EXPECT_EQ(this->with(LimitBounds(0, 0)).limit(), 1);
  EXPECT_EQ(this->with(LimitBounds(7, 3)).limit(), 7);
}

TEST(LimitBounds, WhatIsNoNumberIsTheFloor) {
  const LimitBounds bounds(3, 10);
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(bounds.clamp(std::numeric_limits<double>::quiet_NaN()), 3);
  EXPECT_EQ(bounds.clamp(-infinity), 3);
  EXPECT_EQ(bounds.clamp(infinity), 10);
  EXPECT_EQ(bounds.clamp(2.9), 3);
  EXPECT_EQ(bounds.clamp(9.9), 9.9);
}

// Any latency, time and outcome: steady stretches, jumps both ways, nonsense.
TYPED_TEST(AdaptiveLimit, NeverLeavesItsBounds) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto floor = static_cast<std::uint32_t>(random() % 50);
    const LimitBounds bounds(floor, floor + static_cast<std::uint32_t>(random() % 500));
    auto limit = this->with(bounds, seed);
    std::uint64_t now_ns = random() >> (random() % 64);
    for (int stretch = 0; stretch < 30; ++stretch) {
      if (random() % 4 == 0) now_ns = random() >> (random() % 64);
      const std::uint64_t step_ns =
          random() % 3 == 0 ? random() % kMs : random() >> (random() % 64);
      const std::uint64_t latency_ns = random() % 5 == 0 ? 0 : random() >> (random() % 64);
      const bool is_erratic = random() % 2 == 0;
      const std::uint64_t failures = random() % 4;  // of three
      for (int i = 0; i < 500; ++i) {
        now_ns += is_erratic ? random() % (step_ns + (step_ns < kMax)) : step_ns % (kMs << 8);
        limit.add({.now_ns = now_ns,
                   .latency_ns = is_erratic ? random() >> (random() % 64) : latency_ns,
                   .in_flight = static_cast<std::uint32_t>(random()),
                   .is_failed = random() % 3 < failures});
        ASSERT_GE(limit.limit(), bounds.floor());
        ASSERT_LE(limit.limit(), bounds.ceiling());
      }
    }
  }
}

// Whatever came for a minute, sound samples are understood again: in ten minutes at the latest,
// which the long average of Gradient2Limit takes to forget that a request took no time.
TYPED_TEST(AdaptiveLimit, GetsOverGarbage) {
  for (const std::uint64_t latency_ns : {std::uint64_t{0}, std::uint64_t{1}, kMax}) {
    for (const bool is_failed : {false, true}) {
      SCOPED_TRACE(std::to_string(latency_ns) + (is_failed ? ", failed" : ", answered"));
      auto limit = this->with(LimitBounds(1, 1000));
      std::uint64_t now_ns = 1;
      for (int i = 0; i < 60'000; ++i, now_ns += kMs) {
        limit.add({now_ns, latency_ns, 1000, is_failed});
      }
      // 1000 a second, each 100 ms: 100 at once.
      for (int i = 0; i < 600'000; ++i, now_ns += kMs) {
        limit.add({now_ns, 100 * kMs, 1000, false});
      }
      EXPECT_GE(limit.limit(), 90);
    }
  }
}

TYPED_TEST(AdaptiveLimit, TimesThatThreadsHandInALittleLateAreUsual) {
  auto in_order = this->with(LimitBounds(1, 1000));
  auto shuffled = this->with(LimitBounds(1, 1000));
  std::mt19937_64 random(5);
  for (std::uint64_t now_ns = 1'000'000'000; now_ns < 30'000'000'000; now_ns += kMs) {
    in_order.add({now_ns, 10 * kMs, 1000, false});
    shuffled.add({now_ns - random() % (kMs / 20), 10 * kMs, 1000, false});
    shuffled.add({now_ns - kMs / 2, 3600 * kMs, 1000, true});
  }
  EXPECT_NEAR(shuffled.limit(), in_order.limit(), 30);
}

}  // namespace
}  // namespace headgate::quota
