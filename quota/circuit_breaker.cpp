// SPDX-License-Identifier: Apache-2.0
#include "quota/circuit_breaker.h"

#include <algorithm>

namespace headgate::quota {
namespace {

std::uint64_t to_ns(std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
}

}  // namespace

CircuitBreaker::CircuitBreaker(const CircuitBreakerSettings& settings, std::uint64_t seed)
    : settings_(settings), random_(seed) {}

std::uint64_t CircuitBreaker::elapsed_ns(std::uint64_t now_ns) const {
  return now_ns > since_ns_ ? now_ns - since_ns_ : 0;
}

std::optional<CircuitBreaker::Permit> CircuitBreaker::try_acquire(std::uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kClosed) return Permit(period_);
  const std::uint64_t pause_ns = state_ == State::kOpen ? open_ns_ : to_ns(settings_.probe_timeout);
  if (elapsed_ns(now_ns) >= pause_ns) begin_probes(now_ns);
  if (state_ == State::kOpen || probes_out_ >= std::max(settings_.probes, 1U)) return std::nullopt;
  ++probes_out_;
  return Permit(period_);
}

void CircuitBreaker::report(Permit permit, bool is_success, std::uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (permit.period_ != period_) return;
  if (state_ == State::kHalfOpen) {
    if (!is_success) return open(now_ns);
    if (++probes_succeeded_ >= std::max(settings_.probes, 1U)) close(now_ns);
    return;
  }
  if (elapsed_ns(now_ns) >= to_ns(settings_.window)) begin_window(now_ns);
  ++calls_;
  failures_ += is_success ? 0 : 1;
  failed_in_a_row_ = is_success ? 0 : failed_in_a_row_ + 1;
  if (!is_success && has_failed_enough()) open(now_ns);
}

bool CircuitBreaker::has_failed_enough() const {
  if (settings_.consecutive_failures > 0 && failed_in_a_row_ >= settings_.consecutive_failures) {
    return true;
  }
  return calls_ >= std::max(settings_.fewest_calls, 1U) &&
         failures_ >= settings_.failure_ratio * calls_;
}

void CircuitBreaker::open(std::uint64_t now_ns) {
  const std::chrono::nanoseconds least = settings_.open_for;
  const std::chrono::nanoseconds time =
      backoff({least, settings_.open_at_most}, openings_, random_, least);
  open_ns_ = to_ns(std::min(time, std::max(settings_.open_at_most, least)));
  if (openings_ < 64) ++openings_;
  state_ = State::kOpen;
  since_ns_ = now_ns;
  ++period_;
}

void CircuitBreaker::begin_probes(std::uint64_t now_ns) {
  state_ = State::kHalfOpen;
  since_ns_ = now_ns;
  probes_out_ = 0;
  probes_succeeded_ = 0;
  ++period_;
}

void CircuitBreaker::close(std::uint64_t now_ns) {
  state_ = State::kClosed;
  openings_ = 0;
  failed_in_a_row_ = 0;
  begin_window(now_ns);
  ++period_;
}

void CircuitBreaker::begin_window(std::uint64_t now_ns) {
  since_ns_ = now_ns;
  calls_ = 0;
  failures_ = 0;
}

CircuitBreaker::State CircuitBreaker::state(std::uint64_t now_ns) const {
  const std::lock_guard lock(mutex_);
  return state_ == State::kOpen && elapsed_ns(now_ns) >= open_ns_ ? State::kHalfOpen : state_;
}

std::chrono::nanoseconds CircuitBreaker::retry_after(std::uint64_t now_ns) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t pause_ns = 0;
  if (state_ == State::kOpen) pause_ns = open_ns_;
  if (state_ == State::kHalfOpen && probes_out_ >= std::max(settings_.probes, 1U)) {
    pause_ns = to_ns(settings_.probe_timeout);
  }
  const std::uint64_t passed_ns = elapsed_ns(now_ns);
  return std::chrono::nanoseconds(passed_ns < pause_ns ? pause_ns - passed_ns : 0);
}

}  // namespace headgate::quota
