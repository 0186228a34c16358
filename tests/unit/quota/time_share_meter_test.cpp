// SPDX-License-Identifier: Apache-2.0
#include "quota/time_share_meter.h"

#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace headgate::quota {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(TimeShareMeter, AddsUpByUserAndClient) {
  TimeShareMeter meter;
  EXPECT_TRUE(meter.add("bob", "web", milliseconds(3)));
  EXPECT_TRUE(meter.add("alice", "web", milliseconds(5)));
  EXPECT_TRUE(meter.add("bob", "web", milliseconds(4)));
  EXPECT_TRUE(meter.add("bob", "", milliseconds(1)));
  const std::vector<TimeShare> expected = {{"alice", "web", milliseconds(5)},
                                           {"bob", "", milliseconds(1)},
                                           {"bob", "web", milliseconds(7)}};
  EXPECT_EQ(meter.take(), expected);
  EXPECT_TRUE(meter.take().empty());
}

TEST(TimeShareMeter, WhatTookNoTimeIsNotReported) {
  TimeShareMeter meter;
  EXPECT_TRUE(meter.add("bob", "web", nanoseconds(0)));
  EXPECT_TRUE(meter.add("bob", "web", nanoseconds(-1)));
  EXPECT_TRUE(meter.take().empty());
}

TEST(TimeShareMeter, HoldsNoMorePairsThanItMay) {
  TimeShareMeter meter(2);
  EXPECT_TRUE(meter.add("a", "", milliseconds(1)));
  EXPECT_TRUE(meter.add("b", "", milliseconds(1)));
  EXPECT_FALSE(meter.add("c", "", milliseconds(1)));
  EXPECT_TRUE(meter.add("a", "", milliseconds(1)));
  EXPECT_EQ(meter.take().size(), 2);
  EXPECT_TRUE(meter.add("c", "", milliseconds(1)));
}

TEST(TimeShareMeter, NeverOverflows) {
  TimeShareMeter meter;
  EXPECT_TRUE(meter.add("a", "", nanoseconds::max()));
  EXPECT_TRUE(meter.add("a", "", nanoseconds::max()));
  EXPECT_EQ(meter.take().front().used, nanoseconds::max());
}

TEST(TimeShareMeter, LosesNothingOfWhatThreadsAdd) {
  TimeShareMeter meter;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10'000; ++j) EXPECT_TRUE(meter.add("a", "", nanoseconds(1)));
    });
  }
  nanoseconds total{0};
  for (int i = 0; i < 100; ++i) {
    for (const TimeShare& share : meter.take()) total += share.used;
  }
  for (std::thread& thread : threads) thread.join();
  for (const TimeShare& share : meter.take()) total += share.used;
  EXPECT_EQ(total, nanoseconds(40'000));
}

}  // namespace
}  // namespace headgate::quota
