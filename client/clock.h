// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "quota/judge.h"

namespace headgate::client {

// CLOCK_REALTIME and CLOCK_MONOTONIC, within two microseconds: where the processor's time stamp
// counter is the kernel's own clock source, it is read directly, and compared with the clocks every
// millisecond; so a hot key does not pay for a clock that it has just read. Any thread; no system
// call.
quota::Moment read_clock();

// Finds out whether the counter can be used, and how fast it is: takes a few milliseconds, once.
// Until then the clocks themselves are read.
void prepare_clock();

// What a clock is made of.
struct ClockSources {
  std::uint64_t (*counter)();
  std::uint64_t (*wall_ns)();
  std::uint64_t (*steady_ns)();
};

// The clock of one thread.
class ComparedClock {
 public:
  // `ns_per_tick`: how fast the counter is, in 2^-32. What is found otherwise by more than a
  // hundredth is no speed: the counter went on while the machine slept, or jumped.
  quota::Moment read(const ClockSources& sources, std::uint64_t ns_per_tick) {
    const std::uint64_t ticks = sources.counter() - counter_;
    if (ticks >= fresh_ticks_) return compare(sources, ns_per_tick);
    const std::uint64_t ns = ticks * ns_per_tick_ >> kShift;
    return {moment_.wall_ns + ns, moment_.steady_ns + ns};
  }

  static constexpr unsigned kShift = 32;

 private:
  quota::Moment compare(const ClockSources& sources, std::uint64_t nominal);

  // The counter and the clocks at one moment.
  std::uint64_t counter_ = 0;
  quota::Moment moment_;
  std::uint64_t ns_per_tick_ = 0;
  std::uint64_t fresh_ticks_ = 0;  // 0: nothing can be said by the counter
};

}  // namespace headgate::client
