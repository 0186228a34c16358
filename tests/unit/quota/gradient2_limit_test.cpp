// SPDX-License-Identifier: Apache-2.0
#include "quota/gradient2_limit.h"

#include <cmath>
#include <cstdint>

#include <gtest/gtest.h>

namespace headgate::quota {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr double kMsNs = 1e6;
constexpr double kFactor = 2.0 / 601;

struct Fixture {
  Gradient2Limit limit{LimitBounds(20, 200)};
  std::uint64_t now_ns = 987'654'321;

  void add(std::uint64_t latency_ns, std::uint32_t in_flight = 200, bool is_failed = false) {
    limit.add({.now_ns = now_ns,
               .latency_ns = latency_ns,
               .in_flight = in_flight,
               .is_failed = is_failed});
  }
  // A window: 20 requests in the second that ends with the last of them.
  void add_window(std::uint64_t latency_ns, std::uint32_t in_flight = 200) {
    for (int i = 0; i < 20; ++i) {
      if (has_begun) now_ns += 50 * kMs;
      add(latency_ns, in_flight);
    }
    if (!has_begun) {
      has_begun = true;
      now_ns += 1000 * kMs;
      add(latency_ns, in_flight);
    }
  }
  bool has_begun = false;
};

TEST(Gradient2Limit, BeginsAtTwentyOrTheNearestThatIsAllowed) {
  EXPECT_EQ(Gradient2Limit(LimitBounds(1, 200)).limit(), 20);
  EXPECT_EQ(Gradient2Limit(LimitBounds(1, 10)).limit(), 10);
  EXPECT_EQ(Gradient2Limit(LimitBounds(30, 200)).limit(), 30);
}

// 0.8·limit + 0.2·(limit + 4).
TEST(Gradient2Limit, GrowsByTheQueueWhileThereIsNone) {
  Fixture given;
  double expected = 20;
  for (int i = 0; i < 230; ++i) {
    given.add_window(10 * kMs);
    expected = std::min(200.0, expected + 0.8);
    ASSERT_NEAR(given.limit.limit(), expected - 0.5, 0.5 + 1e-6) << i;  // cut off
  }
  EXPECT_EQ(given.limit.limit(), 200);
}

TEST(Gradient2Limit, TheLongLatencyIsFirstAMeanThenAnAverageThatForgets) {
  Fixture given;
  double sum = 0;
  for (unsigned i = 1; i <= 10; ++i) {
    given.add_window((10 + i) * kMs);
    sum += (10 + i) * kMsNs;
    ASSERT_NEAR(given.limit.long_latency_ns(), sum / i, 1);
  }
  given.add_window(20 * kMs);
  EXPECT_NEAR(given.limit.long_latency_ns(), sum / 10 * (1 - kFactor) + 20 * kMsNs * kFactor, 1);
}

TEST(Gradient2Limit, FallsInProportionAboveOneAndAHalfTimesTheLongLatency) {
  Fixture given;
  for (int i = 0; i < 101; ++i) given.add_window(10 * kMs);
  double expected = 20 + 101 * 0.8;
  double long_ns = 10 * kMsNs;
  for (const std::uint64_t latency_ms : {14, 15, 18, 25, 29, 1000}) {
    given.add_window(latency_ms * kMs);
    const double short_ns = static_cast<double>(latency_ms) * kMsNs;
    long_ns = long_ns * (1 - kFactor) + short_ns * kFactor;
    const double gradient = std::max(0.5, std::min(1.0, 1.5 * long_ns / short_ns));
    expected = 0.8 * expected + 0.2 * (expected * gradient + 4);
    ASSERT_EQ(given.limit.limit(), static_cast<unsigned>(expected)) << latency_ms;
  }
}

TEST(Gradient2Limit, StaysWhereLessThanHalfOfItIsUsed) {
  Fixture given;
  given.add_window(10 * kMs, 9);
  EXPECT_EQ(given.limit.limit(), 20);
  given.add_window(10 * kMs, 10);
  given.add_window(10 * kMs, 11);
  EXPECT_EQ(given.limit.limit(), 21);
  for (int i = 0; i < 100; ++i) given.add_window(1000 * kMs, 1);
  EXPECT_EQ(given.limit.limit(), 21);
}

TEST(Gradient2Limit, TheLongLatencyComesDownQuickerAfterAnOverload) {
  Fixture given;
  for (int i = 0; i < 10; ++i) given.add_window(100 * kMs);
  given.add_window(10 * kMs);
  const double average = 100 * kMsNs * (1 - kFactor) + 10 * kMsNs * kFactor;
  EXPECT_NEAR(given.limit.long_latency_ns(), 0.95 * average, 1);
  for (int i = 0; i < 40; ++i) given.add_window(10 * kMs);
  EXPECT_LE(given.limit.long_latency_ns(), 20 * kMsNs);
}

TEST(Gradient2Limit, AWindowOfFewSamplesIsForgotten) {
  Fixture given;
  for (int i = 0; i < 1000; ++i, given.now_ns += 125 * kMs) given.add(10 * kMs);  // 9 a window
  EXPECT_EQ(given.limit.limit(), 20);
  EXPECT_EQ(given.limit.long_latency_ns(), 0);
}

TEST(Gradient2Limit, AQuickFailureSaysNothing) {
  Fixture given;
  given.add_window(10 * kMs);
  for (int i = 0; i < 1000; ++i, given.now_ns += kMs) given.add(1, 200, true);
  given.add_window(10 * kMs);
  EXPECT_NEAR(given.limit.long_latency_ns(), 10 * kMsNs, 1);
}

TEST(Gradient2Limit, RequestsThatRunOutOfTimeLowerIt) {
  Fixture given;
  for (int i = 0; i < 51; ++i) given.add_window(10 * kMs);
  ASSERT_EQ(given.limit.limit(), 60);
  for (int i = 0; i < 5000; ++i, given.now_ns += kMs) given.add(1000 * kMs, 200, true);
  EXPECT_LT(given.limit.limit(), 45);
}

}  // namespace
}  // namespace headgate::quota
