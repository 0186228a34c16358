// SPDX-License-Identifier: Apache-2.0
#include "headgate/circuit_breaker.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include <gtest/gtest.h>

namespace headgate::client {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;
using State = CircuitBreaker::State;

constexpr nanoseconds kAtOnce{0};

// False: the call was not let through.
bool call(CircuitBreaker& breaker, bool is_success) {
  auto call = breaker.try_acquire();
  if (!call) return false;
  is_success ? call.succeed() : call.fail();
  return true;
}

// Opens with the first failure, and stays so for an hour or two.
CircuitBreakerOptions tripwire() {
  return {.consecutive_failures = 1, .open_for = hours(1)};
}

// As that, but half-open at once.
CircuitBreakerOptions prober() {
  return {.consecutive_failures = 1, .open_for = kAtOnce, .open_at_most = kAtOnce};
}

TEST(ClientCircuitBreaker, OpensAfterFailuresInARow) {
  CircuitBreaker breaker({.consecutive_failures = 3, .failure_ratio = 2, .open_for = hours(1)});
  for (const bool is_success : {false, false, true, false, false}) {
    EXPECT_TRUE(call(breaker, is_success));
  }
  EXPECT_EQ(breaker.state(), State::kClosed);
  EXPECT_EQ(breaker.retry_after(), kAtOnce);
  EXPECT_TRUE(call(breaker, false));
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_FALSE(call(breaker, true));
}

TEST(ClientCircuitBreaker, OpensWhenTooManyOfTheCallsInAWindowFail) {
  CircuitBreaker breaker({.consecutive_failures = 0,
                          .failure_ratio = 0.25,
                          .fewest_calls = 8,
                          .window = hours(1),
                          .open_for = hours(1)});
  EXPECT_TRUE(call(breaker, false));
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(call(breaker, true));
  EXPECT_EQ(breaker.state(), State::kClosed) << "seven calls say nothing";
  EXPECT_TRUE(call(breaker, false));
  EXPECT_EQ(breaker.state(), State::kOpen) << "two of eight";
}

TEST(ClientCircuitBreaker, FailuresOfAnotherWindowDoNotCount) {
  CircuitBreaker breaker({.consecutive_failures = 0,
                          .failure_ratio = 0.25,
                          .fewest_calls = 2,
                          .window = kAtOnce,
                          .open_for = hours(1)});
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(call(breaker, false));
}

TEST(ClientCircuitBreaker, StaysOpenForAsLongAsItWasTold) {
  CircuitBreakerOptions options = tripwire();
  options.open_at_most = hours(10);
  nanoseconds shortest = nanoseconds::max();
  nanoseconds longest{0};
  for (int i = 0; i < 200; ++i) {
    CircuitBreaker breaker(options);
    call(breaker, false);
    const nanoseconds wait = breaker.retry_after();
    EXPECT_GT(wait, hours(1) - std::chrono::minutes(1));
    EXPECT_LE(wait, hours(2));
    shortest = std::min(shortest, wait);
    longest = std::max(longest, wait);
  }
  EXPECT_GT(longest - shortest, std::chrono::minutes(30)) << "all come back together";
}

TEST(ClientCircuitBreaker, IsNotOpenForLongerThanAtMost) {
  CircuitBreakerOptions options = tripwire();
  options.open_at_most = hours(1);
  for (int i = 0; i < 50; ++i) {
    CircuitBreaker breaker(options);
    call(breaker, false);
    EXPECT_LE(breaker.retry_after(), hours(1));
  }
}

TEST(ClientCircuitBreaker, LetsAFewProbesThroughWhenHalfOpen) {
  CircuitBreakerOptions options = prober();
  options.probes = 2;
  options.probe_timeout = hours(5);
  CircuitBreaker breaker(options);
  call(breaker, false);
  EXPECT_EQ(breaker.state(), State::kHalfOpen);
  auto first = breaker.try_acquire();
  auto second = breaker.try_acquire();
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(breaker.try_acquire());
  EXPECT_GT(breaker.retry_after(), hours(4));
  EXPECT_LE(breaker.retry_after(), hours(5));
  first.succeed();
  EXPECT_EQ(breaker.state(), State::kHalfOpen) << "one of two";
  second.succeed();
  EXPECT_EQ(breaker.state(), State::kClosed);
}

TEST(ClientCircuitBreaker, GivesTheProbesPlacesToOthersAfterTheirTime) {
  CircuitBreakerOptions options = prober();
  options.probe_timeout = kAtOnce;
  CircuitBreaker breaker(options);
  call(breaker, false);
  auto lost = breaker.try_acquire();
  EXPECT_TRUE(lost);
  EXPECT_TRUE(call(breaker, true));
  EXPECT_EQ(breaker.state(), State::kClosed);
  lost.fail();
  EXPECT_EQ(breaker.state(), State::kClosed) << "its place was another's";
}

TEST(ClientCircuitBreaker, ACallThatEndsWithoutAWordHasFailed) {
  CircuitBreaker breaker(tripwire());
  try {
    auto call = breaker.try_acquire();
    ASSERT_TRUE(call);
    throw std::runtime_error("connection refused");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(breaker.state(), State::kOpen);
  }
}

TEST(ClientCircuitBreaker, ACallEndsOnce) {
  CircuitBreaker breaker({.consecutive_failures = 2, .failure_ratio = 2});
  {
    auto call = breaker.try_acquire();
    auto moved = std::move(call);
    moved.fail();
    moved.fail();
    EXPECT_TRUE(moved) << "it was let through";
  }
  EXPECT_EQ(breaker.state(), State::kClosed);
  {
    auto call = breaker.try_acquire();
    call.succeed();
  }
  EXPECT_TRUE(call(breaker, false));
  EXPECT_EQ(breaker.state(), State::kClosed) << "a success was between";
}

}  // namespace
}  // namespace headgate::client
