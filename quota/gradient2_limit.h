// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "quota/limit_sample.h"

namespace headgate::quota {

// How many requests at once a service can take, found out from how its latency changes: while the
// latency of now is near that of a long time, the limit grows by what a short queue needs; once it
// is above 1.5 times that, the limit falls in proportion. The algorithm is Gradient2Limit of
// Netflix' concurrency-limits, fed by windows of a second as WindowedLimit there does it.
//
// From its initial value the limit grows by 0.8 a second at most, and only while half of it is
// used. The long average follows the latency that it judges, so under an overload that does not end
// the limit drifts up, by a fifth each two minutes, until it comes to the ceiling: set one that the
// service can bear (tests/unit/quota/adaptive_load_test.cpp).
//
// Thread safety: none of its own. Holds no memory and no pointers: it may be copied as bytes. A
// sample costs a few nanoseconds.
class Gradient2Limit {
 public:
  // By default as there.
  static constexpr std::uint32_t kInitial = 20;
  static constexpr std::uint32_t kFloor = 20;
  static constexpr std::uint32_t kCeiling = 200;

  explicit Gradient2Limit(LimitBounds bounds);

  void add(const LimitSample& sample);

  std::uint32_t limit() const { return static_cast<std::uint32_t>(limit_); }  // within the bounds

  // For those who want to know why the limit is what it is.
  double long_latency_ns() const { return long_latency_ns_; }  // 0: unknown as yet

 private:
  struct Window {
    std::uint64_t start_ns = 0;
    std::uint32_t samples = 0;
    std::uint32_t most_in_flight = 0;
    double latency_ns = 0;  // sum
  };

  void close_window();
  void learn(double latency_ns);

  LimitBounds bounds_;
  SampleClock clock_;
  double limit_;
  Window window_;
  double long_latency_ns_ = 0;
  std::uint32_t learnt_ = 0;  // windows, as long as the long average is a plain one
};
static_assert(std::is_trivially_copyable_v<Gradient2Limit>);

}  // namespace headgate::quota
