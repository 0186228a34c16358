// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "quota/limit_sample.h"
#include "quota/random.h"

namespace headgate::quota {

// How many requests at once a service can take, found out from their latency: by Little's law, the
// rate at which it answers times the latency without a queue, and a little more to find out whether
// it could do better. The algorithm is Apache bRPC's "auto" (auto_concurrency_limiter.cpp, and its
// page in docs/).
//
// Its window is a second, or 200 samples; below 100 samples in a second nothing is learnt and the
// limit stays: let the floor be a hundred times the latency in seconds at least. Requests that end
// within 0.1 ms of a sample count for the rate only.
//
// Each 25 to 50 s the limit falls below what the service can take, so that the queue drains, and
// the latency without a queue is measured anew: only so is a service noticed that has become
// slower.
//
// What to expect (tests/unit/quota/adaptive_load_test.cpp): an overloaded service stays at its
// capacity, but its queue does not stay short by this alone. Where the limit begins above what the
// service can take, where the service was slower for a while, or where its times vary much, the
// latency with a queue is taken for one without, and the limit comes down over minutes, or never:
// set a ceiling of what may wait, and is answered before the callers give up. At a low load the
// limit follows the load down and refuses chance bursts: set a floor of what is served at once.
//
// Thread safety: none of its own. Holds no memory and no pointers: it may be copied as bytes. A
// sample costs a few nanoseconds.
class AutoLimit {
 public:
  // By default as there: 9 is bRPC's number of threads; a ceiling it has not, this one is ours.
  static constexpr std::uint32_t kInitial = 40;
  static constexpr std::uint32_t kFloor = 9;
  static constexpr std::uint32_t kCeiling = 1000;

  // `seed`: of when to measure anew. Services that have the same would all falter together.
  AutoLimit(LimitBounds bounds, std::uint64_t seed);

  void add(const LimitSample& sample);

  std::uint32_t limit() const { return limit_; }  // within the bounds, always

  // For those who want to know why the limit is what it is.
  double lowest_latency_us() const { return lowest_latency_us_; }  // 0: unknown as yet
  double highest_rate() const { return highest_rate_; }            // successes a second
  double explore_ratio() const { return explore_ratio_; }

 private:
  struct Window {
    std::uint64_t start_ns = 0;
    std::uint64_t succeeded = 0;  // also those that are no samples
    std::uint32_t succeeded_samples = 0;
    std::uint32_t failed_samples = 0;
    double succeeded_us = 0;  // sums of latencies
    double failed_us = 0;
  };

  void begin(std::uint64_t now_ns);
  bool is_ignored(std::uint64_t now_ns);
  void schedule_remeasurement(std::uint64_t now_ns);
  void close_window(std::uint64_t now_ns);
  void learn(double latency_us, double rate);
  void explore(double latency_us, double rate);
  void set_limit(double limit);

  LimitBounds bounds_;
  Random random_;
  SampleClock clock_;
  std::uint32_t limit_;
  Window window_;
  std::uint64_t last_sample_ns_ = 0;
  bool has_sample_ = false;
  // Times are kept as a start and a length: a sum might overflow.
  std::uint64_t remeasure_from_ns_ = 0;
  std::uint64_t remeasure_after_ns_ = 0;
  std::uint64_t ignore_from_ns_ = 0;
  std::uint64_t ignore_for_ns_ = 0;  // 0: none is ignored
  double lowest_latency_us_ = 0;
  double highest_rate_ = 0;
  double explore_ratio_;
};
static_assert(std::is_trivially_copyable_v<AutoLimit>);

}  // namespace headgate::quota
