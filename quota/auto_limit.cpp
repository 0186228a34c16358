// SPDX-License-Identifier: Apache-2.0
#include "quota/auto_limit.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace headgate::quota {
namespace {

constexpr std::uint64_t kMs = 1'000'000;

constexpr std::uint64_t kSampleIntervalNs = kMs / 10;
constexpr std::uint64_t kWindowNs = 1000 * kMs;
constexpr std::uint32_t kFewestSamples = 100;
constexpr std::uint32_t kMostSamples = 200;

constexpr std::uint64_t kRemeasureAtLeastNs = 25'000 * kMs;
constexpr std::uint64_t kRemeasureAtMostNs = 50'000 * kMs;
constexpr double kRemeasureRatio = 0.9;  // of what is thought to cause no queue

constexpr double kLatencyWeight = 0.1;  // of a new value in an exponential average
constexpr double kRateWeight = 0.01;
constexpr double kFailurePunishment = 1.0;  // a failure's latency is borne by the successes

constexpr double kExploreMost = 0.3;
constexpr double kExploreLeast = 0.06;
constexpr double kExploreStep = 0.02;

}  // namespace

AutoLimit::AutoLimit(LimitBounds bounds, std::uint64_t seed)
    : bounds_(bounds),
      random_(seed),
      limit_(static_cast<std::uint32_t>(bounds.clamp(kInitial))),
      explore_ratio_(kExploreMost) {}

void AutoLimit::add(const LimitSample& sample) {
  std::uint64_t now_ns = sample.now_ns;
  if (clock_.advance(now_ns)) begin(now_ns);
  if (!sample.is_failed) ++window_.succeeded;
  if (has_sample_ && now_ns - last_sample_ns_ < kSampleIntervalNs) return;
  has_sample_ = true;
  last_sample_ns_ = now_ns;
  if (is_ignored(now_ns)) return;

  const double latency_us =
      static_cast<double>(std::min(sample.latency_ns, kLongestLatencyNs)) / 1000;
  if (sample.is_failed) {
    ++window_.failed_samples;
    window_.failed_us += latency_us;
  } else {
    ++window_.succeeded_samples;
    window_.succeeded_us += latency_us;
  }
  const std::uint32_t samples = window_.succeeded_samples + window_.failed_samples;
  const bool is_over = now_ns - window_.start_ns >= kWindowNs;
  if (!is_over && samples < kMostSamples) return;
  if (samples >= kFewestSamples) close_window(now_ns);
  window_ = Window{.start_ns = now_ns};
}

void AutoLimit::begin(std::uint64_t now_ns) {
  window_ = Window{.start_ns = now_ns};
  has_sample_ = false;
  ignore_for_ns_ = 0;
  schedule_remeasurement(now_ns);
}

// After a remeasurement was due: those that were admitted before the limit fell.
bool AutoLimit::is_ignored(std::uint64_t now_ns) {
  if (ignore_for_ns_ == 0) return false;
  if (now_ns - ignore_from_ns_ < ignore_for_ns_) return true;
  ignore_for_ns_ = 0;
  lowest_latency_us_ = 0;
  schedule_remeasurement(now_ns);
  window_ = Window{.start_ns = now_ns};
  return false;
}

void AutoLimit::schedule_remeasurement(std::uint64_t now_ns) {
  std::uniform_int_distribution<std::uint64_t> after_ns(kRemeasureAtLeastNs, kRemeasureAtMostNs);
  remeasure_from_ns_ = now_ns;
  remeasure_after_ns_ = after_ns(random_);
}

void AutoLimit::close_window(std::uint64_t now_ns) {
  if (window_.succeeded_samples == 0) return set_limit(limit_ / 2);
  // At least 1 µs, also where the clock sees no time pass: else the limit would be 0 from then on.
  const double latency_us =
      std::max(1.0, std::ceil((window_.failed_us * kFailurePunishment + window_.succeeded_us) /
                              window_.succeeded_samples));
  // Some time has passed: there were 100 samples.
  const double rate =
      static_cast<double>(window_.succeeded) * 1e9 / static_cast<double>(now_ns - window_.start_ns);
  learn(latency_us, rate);
  if (now_ns - remeasure_from_ns_ < remeasure_after_ns_) return explore(latency_us, rate);

  set_limit(std::ceil(highest_rate_ * lowest_latency_us_ / 1e6 * kRemeasureRatio));
  ignore_from_ns_ = now_ns;
  // As long as those that were admitted take; nobody stays deaf for longer than until the next
  // time.
  ignore_for_ns_ =
      static_cast<std::uint64_t>(std::min(2 * latency_us * 1000, double{kRemeasureAtMostNs}));
}

void AutoLimit::learn(double latency_us, double rate) {
  if (lowest_latency_us_ == 0) {
    lowest_latency_us_ = latency_us;
  } else if (latency_us < lowest_latency_us_) {
    lowest_latency_us_ = std::lerp(lowest_latency_us_, latency_us, kLatencyWeight);
  }
  highest_rate_ = rate >= highest_rate_ ? rate : std::lerp(highest_rate_, rate, kRateWeight);
}

// More at once where there is no queue, or where there may be room: a service that is full has the
// highest rate, so one below that could have been refused too much.
//
// Rounded up, where bRPC cuts off: a limit of 3 or less would never grow, for 3 · 1.3 < 4.
void AutoLimit::explore(double latency_us, double rate) {
  if (latency_us <= lowest_latency_us_ * (1 + kExploreLeast) ||
      rate <= highest_rate_ / (1 + kExploreLeast)) {
    explore_ratio_ = std::min(kExploreMost, explore_ratio_ + kExploreStep);
  } else {
    explore_ratio_ = std::max(kExploreLeast, explore_ratio_ - kExploreStep);
  }
  set_limit(std::ceil(lowest_latency_us_ * highest_rate_ / 1e6 * (1 + explore_ratio_)));
}

void AutoLimit::set_limit(double limit) {
  limit_ = static_cast<std::uint32_t>(bounds_.clamp(limit));
}

}  // namespace headgate::quota
