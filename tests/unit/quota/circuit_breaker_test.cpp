// SPDX-License-Identifier: Apache-2.0
#include "quota/circuit_breaker.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace headgate::quota {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using State = CircuitBreaker::State;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kBoot = 55 * kSecond;

// Opens after 3 failures in a row, for 1 s and up to 1 s more the first time.
constexpr CircuitBreakerSettings kInARow{.consecutive_failures = 3, .failure_ratio = 2};

// A breaker, and the calls that go through it.
struct Fixture {
  explicit Fixture(const CircuitBreakerSettings& settings, std::uint64_t seed = 1)
      : breaker(settings, seed) {}

  // False: the call was not let through.
  bool call(bool is_success) {
    const auto permit = breaker.try_acquire(now_ns);
    if (permit) breaker.report(*permit, is_success, now_ns);
    return permit.has_value();
  }
  void fail_until_open() {
    while (breaker.state(now_ns) != State::kOpen) ASSERT_TRUE(call(false));
  }
  // Until a call may be let through again.
  void wait() { now_ns += static_cast<std::uint64_t>(breaker.retry_after(now_ns).count()); }

  CircuitBreaker breaker;
  std::uint64_t now_ns = kBoot;
};

TEST(CircuitBreaker, OpensAfterFailuresInARow) {
  Fixture given(kInARow);
  for (const bool is_success : {false, false, true, false, false})
    EXPECT_TRUE(given.call(is_success));
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kClosed);
  EXPECT_TRUE(given.call(false));
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kOpen);
  EXPECT_FALSE(given.call(true));
}

TEST(CircuitBreaker, OpensWhenTooManyOfTheCallsInAWindowFail) {
  Fixture given({.consecutive_failures = 0, .failure_ratio = 0.5, .fewest_calls = 10});
  for (int i = 0; i < 4; ++i) given.call(false);
  for (int i = 0; i < 5; ++i) given.call(true);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kClosed);
  given.call(false);  // 5 of 10
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kOpen);
}

TEST(CircuitBreaker, FewCallsOrOldOnesDoNotOpenIt) {
  Fixture given({.consecutive_failures = 0, .failure_ratio = 0.5, .fewest_calls = 10});
  for (int i = 0; i < 9; ++i) given.call(false);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kClosed);
  given.now_ns += 10 * kSecond;
  for (int i = 0; i < 9; ++i) given.call(false);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kClosed);
  given.call(false);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kOpen);
}

TEST(CircuitBreaker, LetsOneProbeThroughAndClosesWhenItSucceeds) {
  Fixture given(kInARow);
  given.fail_until_open();
  const nanoseconds pause = given.breaker.retry_after(given.now_ns);
  EXPECT_GE(pause, seconds(1));
  EXPECT_LE(pause, seconds(2));
  given.now_ns += static_cast<std::uint64_t>(pause.count()) - 1;
  EXPECT_FALSE(given.call(true));
  ++given.now_ns;
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kHalfOpen);

  const auto probe = given.breaker.try_acquire(given.now_ns);
  ASSERT_TRUE(probe);
  EXPECT_FALSE(given.breaker.try_acquire(given.now_ns));
  given.breaker.report(*probe, true, given.now_ns);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kClosed);
  EXPECT_TRUE(given.call(false));
  EXPECT_TRUE(given.call(false));
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kClosed) << "what failed before is forgotten";
}

TEST(CircuitBreaker, StaysOpenLongerEachTimeAProbeFails) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Fixture given(kInARow, seed);
    given.fail_until_open();
    for (int longest_s : {2, 3, 5, 9, 17, 33, 60, 60, 60}) {
      const nanoseconds pause = given.breaker.retry_after(given.now_ns);
      ASSERT_GE(pause, seconds(1));
      ASSERT_LE(pause, seconds(longest_s));
      given.wait();
      ASSERT_TRUE(given.call(false));
      ASSERT_EQ(given.breaker.state(given.now_ns), State::kOpen);
    }
    given.wait();
    ASSERT_TRUE(given.call(true));
    given.fail_until_open();
    ASSERT_LE(given.breaker.retry_after(given.now_ns), seconds(2)) << "begins anew";
  }
}

TEST(CircuitBreaker, ClosesWhenAllProbesHaveSucceeded) {
  CircuitBreakerSettings settings = kInARow;
  settings.probes = 3;
  Fixture given(settings);
  given.fail_until_open();
  given.wait();
  std::vector<CircuitBreaker::Permit> probes;
  while (const auto probe = given.breaker.try_acquire(given.now_ns)) probes.push_back(*probe);
  ASSERT_EQ(probes.size(), 3);
  given.breaker.report(probes[0], true, given.now_ns);
  given.breaker.report(probes[1], true, given.now_ns);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kHalfOpen);
  given.breaker.report(probes[2], true, given.now_ns);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kClosed);
}

TEST(CircuitBreaker, AnEndThatComesLateSaysNothing) {
  Fixture given(kInARow);
  const auto early = given.breaker.try_acquire(given.now_ns);
  given.fail_until_open();
  given.breaker.report(*early, true, given.now_ns);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kOpen);
  given.wait();
  const auto probe = given.breaker.try_acquire(given.now_ns);
  given.breaker.report(*early, false, given.now_ns);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kHalfOpen);
  given.breaker.report(*probe, true, given.now_ns);
  given.breaker.report(*probe, false, given.now_ns);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kClosed);
}

TEST(CircuitBreaker, AProbeThatNeverEndsIsReplaced) {
  Fixture given(kInARow);
  given.fail_until_open();
  given.wait();
  const auto lost = given.breaker.try_acquire(given.now_ns);
  EXPECT_EQ(given.breaker.retry_after(given.now_ns), seconds(10));
  given.now_ns += 10 * kSecond - 1;
  EXPECT_FALSE(given.breaker.try_acquire(given.now_ns));
  ++given.now_ns;
  EXPECT_EQ(given.breaker.retry_after(given.now_ns), seconds(0));
  EXPECT_TRUE(given.breaker.try_acquire(given.now_ns));
  given.breaker.report(*lost, true, given.now_ns);
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kHalfOpen);
}

TEST(CircuitBreaker, ATimeALittleEarlierIsHarmless) {
  Fixture given(kInARow);
  given.fail_until_open();
  given.now_ns -= kSecond / 1000;
  EXPECT_EQ(given.breaker.state(given.now_ns), State::kOpen);
  EXPECT_FALSE(given.call(true));
  EXPECT_GE(given.breaker.retry_after(given.now_ns), seconds(1));
}

TEST(CircuitBreaker, AtMostOneOfManyThreadsProbes) {
  Fixture given(kInARow);
  given.fail_until_open();
  given.wait();
  std::atomic<int> admitted = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j)
        admitted += given.breaker.try_acquire(given.now_ns).has_value();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted, 1);
}

// A server that is away for a minute sees few calls of a client that keeps asking.
TEST(CircuitBreaker, SparesAServerThatIsAway) {
  Fixture given(CircuitBreakerSettings{});
  int calls = 0;
  for (int i = 0; i < 60'000; ++i, given.now_ns += kSecond / 1000) calls += given.call(false);
  EXPECT_LE(calls, 5 + 20);
  EXPECT_GE(calls, 5 + 3);
}

TEST(CircuitBreaker, IsNeverShutForLongerThanItMayBe) {
  std::mt19937_64 random(9);
  Fixture given({.consecutive_failures = 4, .open_at_most = seconds(30)});
  std::optional<CircuitBreaker::Permit> kept;
  for (int i = 0; i < 200'000; ++i) {
    given.now_ns += random() % (kSecond / 10);
    const auto permit = given.breaker.try_acquire(given.now_ns);
    if (permit && random() % 3 != 0) given.breaker.report(*permit, random() % 2, given.now_ns);
    if (kept && random() % 4 == 0) given.breaker.report(*kept, random() % 2, given.now_ns);
    if (permit) kept = permit;
    ASSERT_LE(given.breaker.retry_after(given.now_ns), seconds(30));
    ASSERT_GE(given.breaker.retry_after(given.now_ns), seconds(0));
  }
}

}  // namespace
}  // namespace headgate::quota
