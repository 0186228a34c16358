// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

namespace headgate::manage {

// When to try again what has failed: a second later, then two, four, …, at most a minute.
class GrowingPause {
 public:
  using Clock = std::chrono::steady_clock;

  bool is_over(Clock::time_point now = Clock::now()) const { return now >= end_; }
  bool has_begun() const { return next_ > kShortest; }
  void begin(Clock::time_point now = Clock::now()) {
    // Whoever asks each second asks a little early now and then.
    end_ = now + next_ - std::chrono::milliseconds(100);
    next_ = std::min<std::chrono::seconds>(next_ * 2, kLongest);
  }

 private:
  static constexpr std::chrono::seconds kShortest{1};
  static constexpr std::chrono::seconds kLongest{60};

  Clock::time_point end_{};
  std::chrono::seconds next_ = kShortest;
};

}  // namespace headgate::manage
