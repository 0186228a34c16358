// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

namespace headgate::client {

struct CircuitBreakerOptions {
  std::uint32_t consecutive_failures = 5;  // open it; 0: none do
  double failure_ratio = 0.5;              // of the calls in a window opens it; > 1: none does
  std::uint32_t fewest_calls = 20;         // in a window, for the ratio to mean something
  std::chrono::nanoseconds window = std::chrono::seconds(10);
  std::chrono::nanoseconds open_for = std::chrono::seconds(1);  // at least, each time
  std::chrono::nanoseconds open_at_most = std::chrono::seconds(60);
  std::uint32_t probes = 1;  // calls that are let through when half-open; all must succeed
  std::chrono::nanoseconds probe_timeout = std::chrono::seconds(10);  // then others are let through
};

// Keeps a service from calling a server that does not answer (M. Nygard, "Release It!").
//
//   closed     calls go through; enough failures open it
//   open       no call goes through, for open_for and a jitter that doubles each time in a row it
//              has opened, open_at_most in all
//   half-open  a few calls go through: if all succeed it closes, if one fails it opens again
//
//   if (auto call = breaker.try_acquire()) {
//     ask_the_server();  // throws: the call has failed
//     call.succeed();
//   } else {
//     come_back_in(breaker.retry_after());
//   }
//
// Being refused by a quota is an answer of the server, not a failure.
//
// Thread-safe, by a lock that is held for some nanoseconds.
class CircuitBreaker {
 public:
  enum class State : std::uint8_t { kClosed, kOpen, kHalfOpen };

  // A call that was let through, or false. One that ends without a word has failed. One thread at a
  // time; it must not outlive its breaker.
  class [[nodiscard]] Call {
   public:
    Call(Call&& other) noexcept
        : breaker_(std::exchange(other.breaker_, nullptr)), period_(other.period_) {}
    Call& operator=(Call&&) = delete;
    ~Call() { end(false); }

    // Stays true after the call has ended.
    explicit operator bool() const noexcept { return period_ != kNone; }
    void succeed() noexcept { end(true); }
    void fail() noexcept { end(false); }

   private:
    friend class CircuitBreaker;
    static constexpr std::uint64_t kNone = ~std::uint64_t{0};
    Call(CircuitBreaker* breaker, std::uint64_t period) : breaker_(breaker), period_(period) {}
    void end(bool is_success) noexcept {
      if (breaker_ != nullptr) std::exchange(breaker_, nullptr)->report(period_, is_success);
    }

    CircuitBreaker* breaker_;
    std::uint64_t period_;  // of the breaker, in which it was let through
  };

  explicit CircuitBreaker(const CircuitBreakerOptions& options = {});
  ~CircuitBreaker();
  CircuitBreaker(const CircuitBreaker&) = delete;
  CircuitBreaker& operator=(const CircuitBreaker&) = delete;

  // False: do not call.
  Call try_acquire() noexcept;

  State state() const noexcept;
  // How long no call will go through; 0: one may.
  std::chrono::nanoseconds retry_after() const noexcept;

 private:
  void report(std::uint64_t period, bool is_success) noexcept;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::client
