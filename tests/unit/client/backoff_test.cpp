// SPDX-License-Identifier: Apache-2.0
#include "headgate/backoff.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>

#include <gtest/gtest.h>

namespace headgate::client {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// The shortest and the longest of many waits after `failures`.
struct Range {
  nanoseconds shortest = nanoseconds::max();
  nanoseconds longest = nanoseconds::min();
};
Range range(const BackoffOptions& options, int failures, nanoseconds retry_after = nanoseconds(0)) {
  Backoff failed(options);
  for (int i = 0; i < failures; ++i) static_cast<void>(failed.next());
  Range found;
  for (int i = 0; i < 2000; ++i) {
    const nanoseconds wait = Backoff(failed).next(retry_after);
    found.shortest = std::min(found.shortest, wait);
    found.longest = std::max(found.longest, wait);
  }
  return found;
}

constexpr BackoffOptions kOptions{seconds(1), seconds(10)};

// That none of 2000 waits is in the last tenth happens once in 10^91 times.
void expect_up_to(const Range& found, nanoseconds least, nanoseconds most) {
  EXPECT_GE(found.shortest, least);
  EXPECT_LT(found.shortest, least + (most - least) / 10);
  EXPECT_LE(found.longest, most);
  EXPECT_GT(found.longest, most - (most - least) / 10);
}

TEST(ClientBackoff, WaitsUpToTwiceAsLongEachTimeUntilTheCap) {
  expect_up_to(range(kOptions, 0), seconds(0), seconds(1));
  expect_up_to(range(kOptions, 1), seconds(0), seconds(2));
  expect_up_to(range(kOptions, 3), seconds(0), seconds(8));
  expect_up_to(range(kOptions, 4), seconds(0), seconds(10));
  expect_up_to(range(kOptions, 100), seconds(0), seconds(10));
}

TEST(ClientBackoff, WaitsForWhatTheServerSaidAndTheJitterOnTop) {
  expect_up_to(range(kOptions, 0, seconds(60)), seconds(60), seconds(61));
}

TEST(ClientBackoff, BeginsAnewAfterASuccess) {
  Backoff backoff(kOptions);
  for (std::uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(backoff.failures(), i);
    static_cast<void>(backoff.next());
  }
  backoff.reset();
  EXPECT_EQ(backoff.failures(), 0U);
  for (int i = 0; i < 100; ++i) {
    EXPECT_LE(backoff.next(), seconds(1));
    backoff.reset();
  }
}

TEST(ClientBackoff, TwoOfThemDrawDifferently) {
  std::set<nanoseconds> waits;
  for (int i = 0; i < 100; ++i) waits.insert(Backoff(kOptions).next());
  EXPECT_GT(waits.size(), 95U);
}

}  // namespace
}  // namespace headgate::client
