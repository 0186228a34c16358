// SPDX-License-Identifier: Apache-2.0
#include "client/clock.h"

#include <ctime>

#include <gtest/gtest.h>

namespace headgate::client {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kTicksPerNs = 3;
constexpr std::uint64_t kSpeed = (std::uint64_t{1} << ComparedClock::kShift) / kTicksPerNs;

// A machine's counter and clocks, which go as they are told.
std::uint64_t counter = 0;
std::uint64_t wall_ns = 0;
std::uint64_t steady_ns = 0;
int clocks_read = 0;

constexpr ClockSources kSources = {[] { return counter; },
                                   [] {
                                     ++clocks_read;
                                     return wall_ns;
                                   },
                                   [] {
                                     ++clocks_read;
                                     return steady_ns;
                                   }};

class ComparedClockTest : public testing::Test {
 protected:
  void SetUp() override {
    counter = 1'000'000;
    wall_ns = 1'795'000'000 * kSecond;
    steady_ns = 5'000 * kSecond;
  }
  static void pass(std::uint64_t ns) {
    counter += ns * kTicksPerNs;
    wall_ns += ns;
    steady_ns += ns;
  }
  // Read often for a second, the clock is right each time. Returns how often it was not the clocks.
  int run() {
    int by_counter = 0;
    for (int i = 0; i < 10'000; ++i) {
      pass(kMillisecond / 10);
      clocks_read = 0;
      by_counter += is_right() && clocks_read == 0 ? 1 : 0;
    }
    return by_counter;
  }
  bool is_right() {
    const quota::Moment now = clock.read(kSources, kSpeed);
    EXPECT_NEAR(static_cast<double>(now.steady_ns - (steady_ns - kSecond)), kSecond, 2'000);
    EXPECT_NEAR(static_cast<double>(now.wall_ns - (wall_ns - kSecond)), kSecond, 2'000);
    return true;
  }

  ComparedClock clock;
};

TEST_F(ComparedClockTest, ReadsTheCounterMostOfTheTime) {
  EXPECT_GT(run(), 8'000);
}

TEST_F(ComparedClockTest, IsRightWhenItIsSeldomRead) {
  for (const std::uint64_t pause : {kSecond, 99 * kMillisecond, 3 * kMillisecond, kMillisecond}) {
    for (int i = 0; i < 100; ++i) {
      pass(pause);
      EXPECT_TRUE(is_right());
    }
  }
}

TEST_F(ComparedClockTest, IsRightAfterASleepInWhichTheCounterWentOn) {
  run();
  counter += 1'800 * kSecond * kTicksPerNs;  // the steady clock stands still meanwhile
  wall_ns += 1'800 * kSecond;
  EXPECT_TRUE(is_right());
  EXPECT_GT(run(), 8'000);
}

TEST_F(ComparedClockTest, IsRightAfterTheCounterBeganAnew) {
  run();
  counter = 5;
  EXPECT_TRUE(is_right());
  EXPECT_GT(run(), 8'000);
}

TEST_F(ComparedClockTest, FollowsAClockThatIsSet) {
  run();
  wall_ns -= 3'600 * kSecond;
  pass(2 * kMillisecond);
  EXPECT_TRUE(is_right());
  EXPECT_GT(run(), 8'000);
}

TEST_F(ComparedClockTest, FollowsAClockThatIsSlewed) {
  run();
  for (int i = 0; i < 100'000; ++i) {
    counter += kMillisecond / 100 * kTicksPerNs;
    wall_ns += kMillisecond / 100 + 5;  // 500 millionths faster
    steady_ns += kMillisecond / 100 + 5;
    is_right();
  }
}

// Who is interrupted between two of its looks has compared nothing.
TEST_F(ComparedClockTest, IsRightWhenItIsInterrupted) {
  static int looks = 0;
  const ClockSources interrupted = {kSources.counter, kSources.wall_ns, [] {
                                      const std::uint64_t now = steady_ns;
                                      if (++looks % 2 == 1) pass(5 * kMillisecond);
                                      return now;
                                    }};
  for (int i = 0; i < 1'000; ++i) {
    pass(kMillisecond);
    const std::uint64_t before = steady_ns;
    const quota::Moment now = clock.read(interrupted, kSpeed);
    EXPECT_GE(now.steady_ns + 2'000, before);
    EXPECT_LE(now.steady_ns, steady_ns + 2'000);
  }
}

TEST(ReadClock, IsThatOfTheMachine) {
  prepare_clock();
  const auto steady = [] {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kSecond +
           static_cast<std::uint64_t>(now.tv_nsec);
  };
  for (int i = 0; i < 1'000'000; ++i) {
    const std::uint64_t before = steady();
    const std::uint64_t now = read_clock().steady_ns;
    ASSERT_GE(now + 3'000, before);
    ASSERT_LE(now, steady() + 3'000);
  }
}

}  // namespace
}  // namespace headgate::client
