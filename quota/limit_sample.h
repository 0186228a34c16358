// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

// What the adaptive limits of concurrency have in common.
namespace headgate::quota {

// A request that was admitted and has ended. One that was refused is none.
struct LimitSample {
  std::uint64_t now_ns = 0;      // when it ended: steady time since any start
  std::uint64_t latency_ns = 0;  // from its admission to its end
  std::uint32_t in_flight = 0;   // requests at once when it was admitted, itself included
  bool is_failed = false;
};

// Latencies count as no longer than an hour, so that no sum of them overflows.
inline constexpr std::uint64_t kLongestLatencyNs = 3'600'000'000'000;

// Between which an adaptive limit stays, whatever it is fed with: 1 <= floor <= ceiling. Without a
// ceiling users of both algorithms have seen them drift up until the limit limits nothing.
class LimitBounds {
 public:
  constexpr LimitBounds(std::uint32_t floor, std::uint32_t ceiling)
      : floor_(std::max(floor, std::uint32_t{1})), ceiling_(std::max(floor_, ceiling)) {}

  std::uint32_t floor() const { return floor_; }
  std::uint32_t ceiling() const { return ceiling_; }

  // What is no number is the floor.
  double clamp(double limit) const {
    if (!(limit > floor_)) return floor_;
    return std::min(limit, static_cast<double>(ceiling_));
  }

 private:
  std::uint32_t floor_;
  std::uint32_t ceiling_;
};

// Makes the times of samples go forward only. Those who hand them in have read the clock before
// they come to be one after the other, so a little backwards is usual, and counts as no step at
// all. More than that is another clock.
class SampleClock {
 public:
  // True: time begins here; nothing that was remembered of it holds.
  bool advance(std::uint64_t& now_ns) {
    const bool begins = !has_begun_ || (now_ns < latest_ns_ && latest_ns_ - now_ns > kBackwardsNs);
    has_begun_ = true;
    if (!begins) now_ns = std::max(now_ns, latest_ns_);
    latest_ns_ = now_ns;
    return begins;
  }

 private:
  static constexpr std::uint64_t kBackwardsNs = 1'000'000'000;

  std::uint64_t latest_ns_ = 0;
  bool has_begun_ = false;
};

}  // namespace headgate::quota
