// SPDX-License-Identifier: Apache-2.0
#include "quota/gradient2_limit.h"

#include <algorithm>
#include <cmath>

namespace headgate::quota {
namespace {

constexpr std::uint64_t kWindowNs = 1'000'000'000;
constexpr std::uint32_t kFewestSamples = 10;

constexpr std::uint32_t kWarmUp = 10;  // windows of which the long average is the plain mean
constexpr double kLongWeight = 2.0 / (600 + 1);
constexpr double kTooLong = 2;     // times the latency of now: after an overload has ended …
constexpr double kShorten = 0.95;  // … the long average comes down quicker

constexpr double kTolerance = 1.5;
constexpr double kLeastGradient = 0.5;
constexpr double kQueue = 4;
constexpr double kSmoothing = 0.2;

}  // namespace

Gradient2Limit::Gradient2Limit(LimitBounds bounds)
    : bounds_(bounds), limit_(bounds.clamp(kInitial)) {}

void Gradient2Limit::add(const LimitSample& sample) {
  std::uint64_t now_ns = sample.now_ns;
  if (clock_.advance(now_ns)) window_ = Window{.start_ns = now_ns};
  const double latency_ns = static_cast<double>(std::min(sample.latency_ns, kLongestLatencyNs));
  // A failure that came quickly says nothing of how quick the service is; one that was slow may
  // well be a request that has run out of time.
  if (!sample.is_failed || latency_ns > long_latency_ns_) {
    ++window_.samples;
    window_.most_in_flight = std::max(window_.most_in_flight, sample.in_flight);
    window_.latency_ns += latency_ns;
  }
  if (now_ns - window_.start_ns < kWindowNs) return;
  if (window_.samples >= kFewestSamples) close_window();
  window_ = Window{.start_ns = now_ns};
}

void Gradient2Limit::close_window() {
  // At least 1 ns, also where the clock sees no time pass.
  const double short_latency_ns = std::max(1.0, window_.latency_ns / window_.samples);
  learn(short_latency_ns);
  if (window_.most_in_flight < limit_ / 2) return;  // it is not the limit that limits

  const double gradient =
      std::clamp(kTolerance * long_latency_ns_ / short_latency_ns, kLeastGradient, 1.0);
  limit_ = bounds_.clamp(std::lerp(limit_, limit_ * gradient + kQueue, kSmoothing));
}

void Gradient2Limit::learn(double latency_ns) {
  if (learnt_ < kWarmUp) {
    ++learnt_;
    long_latency_ns_ += (latency_ns - long_latency_ns_) / learnt_;
  } else {
    long_latency_ns_ = std::lerp(long_latency_ns_, latency_ns, kLongWeight);
  }
  if (long_latency_ns_ / latency_ns > kTooLong) long_latency_ns_ *= kShorten;
}

}  // namespace headgate::quota
