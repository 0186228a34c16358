// SPDX-License-Identifier: Apache-2.0
#include "headgate/circuit_breaker.h"

#include <bit>

#include "client/seed.h"
#include "client/steady_time.h"
#include "quota/circuit_breaker.h"

namespace headgate::client {
namespace {

quota::CircuitBreakerSettings settings_of(const CircuitBreakerOptions& options) {
  return {.consecutive_failures = options.consecutive_failures,
          .failure_ratio = options.failure_ratio,
          .fewest_calls = options.fewest_calls,
          .window = options.window,
          .open_for = options.open_for,
          .open_at_most = options.open_at_most,
          .probes = options.probes,
          .probe_timeout = options.probe_timeout};
}

CircuitBreaker::State state_of(quota::CircuitBreaker::State state) {
  switch (state) {
    case quota::CircuitBreaker::State::kClosed:
      return CircuitBreaker::State::kClosed;
    case quota::CircuitBreaker::State::kOpen:
      return CircuitBreaker::State::kOpen;
    case quota::CircuitBreaker::State::kHalfOpen:
      break;
  }
  return CircuitBreaker::State::kHalfOpen;
}

}  // namespace

struct CircuitBreaker::Impl {
  quota::CircuitBreaker breaker;
};

CircuitBreaker::CircuitBreaker(const CircuitBreakerOptions& options)
    : impl_(new Impl{{settings_of(options), fresh_seed()}}) {}
CircuitBreaker::~CircuitBreaker() = default;

// The installed header knows a permit as the number that it consists of.
CircuitBreaker::Call CircuitBreaker::try_acquire() noexcept {
  const auto permit = impl_->breaker.try_acquire(steady_ns());
  if (!permit) return {nullptr, Call::kNone};
  return {this, std::bit_cast<std::uint64_t>(*permit)};
}

void CircuitBreaker::report(std::uint64_t period, bool is_success) noexcept {
  impl_->breaker.report(std::bit_cast<quota::CircuitBreaker::Permit>(period), is_success,
                        steady_ns());
}

CircuitBreaker::State CircuitBreaker::state() const noexcept {
  return state_of(impl_->breaker.state(steady_ns()));
}

std::chrono::nanoseconds CircuitBreaker::retry_after() const noexcept {
  return impl_->breaker.retry_after(steady_ns());
}

}  // namespace headgate::client
