// SPDX-License-Identifier: Apache-2.0
#include "headgate/adaptive_limit.h"

#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace headgate::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

AdaptiveLimitOptions between(AdaptiveAlgorithm algorithm, std::uint32_t floor,
                             std::uint32_t ceiling) {
  return {.algorithm = algorithm, .floor = floor, .ceiling = ceiling};
}

// Ends requests for as long as a window of both algorithms takes, one each 200 µs or so.
void feed(AdaptiveLimit& limit, const Outcome& outcome) {
  const auto end = std::chrono::steady_clock::now() + milliseconds(1300);
  while (std::chrono::steady_clock::now() < end) {
    auto slot = limit.try_acquire();
    ASSERT_TRUE(slot);
    slot.end(outcome);
    std::this_thread::sleep_for(std::chrono::microseconds(150));
  }
}

// As many as there are; false if there is one more.
bool takes(AdaptiveLimit& limit, std::uint32_t count) {
  std::vector<AdaptiveLimit::Slot> slots;
  for (std::uint32_t i = 0; i < count; ++i) {
    slots.push_back(limit.try_acquire());
    if (!slots.back()) return false;
  }
  return !limit.try_acquire();
}

TEST(ClientAdaptiveLimit, BeginsWhereTheAlgorithmDoes) {
  EXPECT_EQ(AdaptiveLimit().limit(), 40U) << "kAuto";
  EXPECT_EQ(AdaptiveLimit({.algorithm = AdaptiveAlgorithm::kGradient2}).limit(), 20U);
}

TEST(ClientAdaptiveLimit, StaysBetweenItsBounds) {
  for (const auto algorithm : {AdaptiveAlgorithm::kAuto, AdaptiveAlgorithm::kGradient2}) {
    EXPECT_EQ(AdaptiveLimit(between(algorithm, 1, 3)).limit(), 3U);
    EXPECT_EQ(AdaptiveLimit(between(algorithm, 50, 60)).limit(), 50U);
    EXPECT_EQ(AdaptiveLimit({.algorithm = algorithm, .ceiling = 2}).limit(), 2U);
    EXPECT_EQ(AdaptiveLimit({.algorithm = algorithm, .floor = 5000}).limit(), 5000U);
  }
}

TEST(ClientAdaptiveLimit, RefusesBoundsThatMakeNoSense) {
  const auto algorithm = AdaptiveAlgorithm::kGradient2;
  EXPECT_THROW(AdaptiveLimit(between(algorithm, 0, 3)), std::invalid_argument);
  EXPECT_THROW(AdaptiveLimit(between(algorithm, 4, 3)), std::invalid_argument);
  EXPECT_THROW(AdaptiveLimit({.algorithm = static_cast<AdaptiveAlgorithm>(2)}),
               std::invalid_argument);
  try {
    AdaptiveLimit limit(between(algorithm, 4, 3));
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(),
                 "an adaptive limit between a floor of 4 and a ceiling of 3; 1 <= floor <= ceiling "
                 "would be right");
  }
}

TEST(ClientAdaptiveLimit, AdmitsAsManyAsTheLimitUntilTheyEnd) {
  AdaptiveLimit limit(between(AdaptiveAlgorithm::kAuto, 1, 3));
  {
    auto first = limit.try_acquire();
    auto second = limit.try_acquire();
    auto third = limit.try_acquire();
    EXPECT_TRUE(first && second && third);
    EXPECT_FALSE(limit.try_acquire());
    EXPECT_EQ(limit.in_flight(), 3U);
    second.end();
    second.end();
    EXPECT_EQ(limit.in_flight(), 2U) << "it ends once";
    auto moved = std::move(first);
    EXPECT_EQ(limit.in_flight(), 2U);
    EXPECT_TRUE(limit.try_acquire()) << "and gives it back at once";
  }
  EXPECT_EQ(limit.in_flight(), 0U);
  EXPECT_TRUE(takes(limit, 3));
}

// gradient2 grows only if half of the limit is in use: the number in flight reaches it.
TEST(ClientAdaptiveLimit, GrowsWhileItIsUsed) {
  AdaptiveLimit idle(between(AdaptiveAlgorithm::kGradient2, 20, 30));
  feed(idle, {.latency = milliseconds(5)});
  EXPECT_EQ(idle.limit(), 20U);

  AdaptiveLimit busy(between(AdaptiveAlgorithm::kGradient2, 20, 21));
  std::vector<AdaptiveLimit::Slot> held;
  for (int i = 0; i < 15; ++i) held.push_back(busy.try_acquire());
  feed(busy, {.latency = milliseconds(5)});
  feed(busy, {.latency = milliseconds(5)});
  EXPECT_EQ(busy.limit(), 21U);
}

// auto halves its limit where all fail, and learns a rate times a latency where all succeed.
TEST(ClientAdaptiveLimit, LearnsFromLatenciesAndFailuresBetweenTheBoundsOfTheAlgorithm) {
  AdaptiveLimit failing;
  feed(failing, {.latency = seconds(100), .has_failed = true});
  EXPECT_LE(failing.limit(), 20U);

  AdaptiveLimit slow;
  feed(slow, {.latency = seconds(100)});
  EXPECT_EQ(slow.limit(), 1000U);

  AdaptiveLimit quick;
  feed(quick, {});
  EXPECT_EQ(quick.limit(), 9U) << "they were held for microseconds";
}

TEST(ClientAdaptiveLimit, LearnsNothingFromRequestsThatEndWithoutAWord) {
  AdaptiveLimit limit(between(AdaptiveAlgorithm::kAuto, 1, 1000));
  const auto end = std::chrono::steady_clock::now() + milliseconds(1300);
  while (std::chrono::steady_clock::now() < end) {
    EXPECT_TRUE(limit.try_acquire());
    std::this_thread::sleep_for(std::chrono::microseconds(150));
  }
  EXPECT_EQ(limit.limit(), 40U);
}

TEST(ClientAdaptiveLimit, ManyThreadsNeverTakeMoreThanTheLimit) {
  AdaptiveLimit limit(between(AdaptiveAlgorithm::kGradient2, 3, 3));
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 20'000; ++k) {
        auto slot = limit.try_acquire();
        EXPECT_LE(limit.in_flight(), 3U);
        if (k % 2 == 0) slot.end();
      }
    });
  }
  threads.clear();
  EXPECT_EQ(limit.in_flight(), 0U);
  EXPECT_TRUE(takes(limit, 3));
}

}  // namespace
}  // namespace headgate::client
