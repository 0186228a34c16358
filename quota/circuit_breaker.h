// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>

#include "quota/backoff.h"
#include "quota/random.h"

namespace headgate::quota {

struct CircuitBreakerSettings {
  std::uint32_t consecutive_failures = 5;  // open it; 0: none do
  double failure_ratio = 0.5;              // of the calls in a window opens it; > 1: none does
  std::uint32_t fewest_calls = 20;         // in a window, for the ratio to mean something
  std::chrono::nanoseconds window = std::chrono::seconds(10);
  std::chrono::nanoseconds open_for = std::chrono::seconds(1);  // at least, each time
  std::chrono::nanoseconds open_at_most = std::chrono::seconds(60);
  std::uint32_t probes = 1;  // calls that are let through when half-open; all must succeed
  std::chrono::nanoseconds probe_timeout = std::chrono::seconds(10);  // then others are let through
};

// Keeps a client from calling a server that does not answer (M. Nygard, "Release It!").
//
//   closed     calls go through; enough failures open it
//   open       no call goes through, for open_for and a jitter that doubles each time in a row it
//              has opened (backoff.h), open_at_most in all
//   half-open  a few calls go through: if all succeed it closes, if one fails it opens again
//
// A refusal by a quota is an answer, not a failure.
//
// Time is steady nanoseconds since any start; one that is a little earlier than another is
// harmless.
//
// Thread safety: any number of threads, by a mutex that is held for some nanoseconds.
class CircuitBreaker {
 public:
  enum class State : std::uint8_t { kClosed, kOpen, kHalfOpen };

  // Whoever was let through says with it how the call has ended. An end that comes when the breaker
  // has opened or closed since says nothing about the server of now, and is ignored; so is a second
  // one of a probe whose place was given to another.
  class Permit {
   private:
    friend class CircuitBreaker;
    explicit Permit(std::uint64_t period) : period_(period) {}
    std::uint64_t period_;
  };

  // `seed`: of the jitter. No two clients should have the same.
  CircuitBreaker(const CircuitBreakerSettings& settings, std::uint64_t seed);

  // None: do not call.
  std::optional<Permit> try_acquire(std::uint64_t now_ns);
  void report(Permit permit, bool is_success, std::uint64_t now_ns);

  State state(std::uint64_t now_ns) const;
  // How long no call will go through; 0 when one may.
  std::chrono::nanoseconds retry_after(std::uint64_t now_ns) const;

 private:
  void open(std::uint64_t now_ns);
  void begin_probes(std::uint64_t now_ns);
  void close(std::uint64_t now_ns);
  void begin_window(std::uint64_t now_ns);
  bool has_failed_enough() const;
  // Since the present period began; 0 for what is before it.
  std::uint64_t elapsed_ns(std::uint64_t now_ns) const;

  const CircuitBreakerSettings settings_;
  mutable std::mutex mutex_;
  Random random_;
  State state_ = State::kClosed;
  std::uint64_t period_ = 0;    // counts openings, closings and rounds of probes
  std::uint64_t since_ns_ = 0;  // of the period, when closed: of the window
  std::uint64_t open_ns_ = 0;   // how long the present opening lasts
  std::uint32_t openings_ = 0;  // in a row
  std::uint32_t calls_ = 0;     // that have ended in the window
  std::uint32_t failures_ = 0;  // of these
  std::uint32_t failed_in_a_row_ = 0;
  std::uint32_t probes_out_ = 0;
  std::uint32_t probes_succeeded_ = 0;
};

}  // namespace headgate::quota
