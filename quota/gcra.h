// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

// The generic cell rate algorithm (ITU-T I.371): a token bucket that needs no timer. Its whole
// state is one number, the theoretical arrival time (TAT): when the bucket would be full again. 0
// is a full bucket. Pure.
namespace headgate::quota {

// 1/64 of a nanosecond of the steady clock, so that some billions a second can be told apart; 64
// bits of them last for nine years.
using Ticks = std::uint64_t;
inline constexpr Ticks kTicksPerNs = 64;
constexpr Ticks to_ticks(std::uint64_t ns) {
  return ns * kTicksPerNs;
}
// Rounded up: what is told to a caller is never too early.
constexpr std::uint64_t to_ns(Ticks ticks) {
  return ticks / kTicksPerNs + (ticks % kTicksPerNs != 0 ? 1 : 0);
}

struct Gcra {
  Ticks interval = 1;   // T: what one request takes; >= 1
  Ticks tolerance = 0;  // b·T: how far the TAT may be ahead; 0 refuses all

  // Two years; what would be more is this.
  static constexpr Ticks kMost = std::numeric_limits<Ticks>::max() >> 2;

  // `requests` in each `per_ns`, and at most `burst` at once.
  static constexpr Gcra make(std::uint64_t requests, std::uint64_t per_ns, std::uint64_t burst) {
    if (requests == 0 || burst == 0) return {kMost, 0};
    const auto ticks = static_cast<unsigned __int128>(per_ns) * kTicksPerNs;
    const auto interval = static_cast<Ticks>(
        std::clamp<unsigned __int128>((ticks + requests - 1) / requests, 1, kMost));
    return {interval, times(interval, burst)};
  }

  struct Outcome {
    bool is_admitted = false;
    Ticks next = 0;          // the TAT afterwards, to be stored if it was admitted
    std::uint64_t left = 0;  // requests that would be admitted now, after this one
    Ticks retry_after = 0;   // until the same request is admitted; kNever
    Ticks until_full = 0;
  };
  static constexpr Ticks kNever = std::numeric_limits<Ticks>::max();

  // A request of `cost` at `now`: admitted iff max(TAT, now) + cost·T − now <= b·T.
  constexpr Outcome judge(Ticks tat, Ticks now, std::uint64_t cost) const {
    // What is further ahead than the bucket is deep was written under another limit or another
    // clock.
    const Ticks ahead = std::min(tat > now ? tat - now : 0, tolerance);
    const Ticks wanted = times(interval, cost);
    Outcome outcome;
    outcome.is_admitted = wanted <= tolerance - ahead;
    const Ticks used = outcome.is_admitted ? ahead + wanted : ahead;
    outcome.next = now + used;
    outcome.left = (tolerance - used) / interval;
    outcome.until_full = used;
    if (!outcome.is_admitted) {
      outcome.retry_after = wanted > tolerance ? kNever : wanted - (tolerance - ahead);
    }
    return outcome;
  }

  // The TAT with `cost` given back.
  constexpr Ticks refund(Ticks tat, std::uint64_t cost) const {
    return tat - std::min(tat, times(interval, cost));
  }

 private:
  static constexpr Ticks times(Ticks interval, std::uint64_t count) {
    return static_cast<Ticks>(
        std::min<unsigned __int128>(static_cast<unsigned __int128>(interval) * count, kMost));
  }
};

}  // namespace headgate::quota
