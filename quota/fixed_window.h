// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

// Fixed windows aligned to the epoch, as envoyproxy/ratelimit counts. Pure.
namespace headgate::quota {

// The state is one word: the window's number in its upper half, and what was counted in it. 0 is
// nothing counted.
struct FixedWindow {
  std::uint64_t length_ns = 1;  // > 0
  std::uint32_t limit = 0;      // 0 refuses all

  struct Outcome {
    bool is_admitted = false;
    std::uint64_t counted = 0;  // the state if it is counted, admitted or not
    std::uint32_t left = 0;     // of the limit, with this request counted
    std::uint64_t until_reset_ns = 0;
    bool is_impossible = false;  // it is refused in every window
  };

  // A request of `cost` at `now_ns` since the epoch: over iff the count exceeds the limit with it.
  // What is refused is counted too, if the caller stores it.
  constexpr Outcome judge(std::uint64_t state, std::uint64_t now_ns, std::uint64_t cost) const {
    std::uint32_t window = static_cast<std::uint32_t>(now_ns / length_ns);
    std::uint64_t until_reset = length_ns - now_ns % length_ns;
    // Another thread was quicker to see the next window begin. More than one ahead: the clock was
    // set back.
    if (static_cast<std::uint32_t>(state >> 32) == window + 1 && count_of(state) != 0) {
      ++window;
      until_reset += length_ns;
    }
    const std::uint64_t before = count_in(state, window);
    const std::uint64_t after =
        std::min<std::uint64_t>(before + std::min(cost, kMostCount), kMostCount);
    Outcome outcome;
    outcome.is_admitted = cost <= kMostCount && before + cost <= limit;
    outcome.counted = static_cast<std::uint64_t>(window) << 32 | after;
    outcome.left = static_cast<std::uint32_t>(limit - std::min<std::uint64_t>(after, limit));
    outcome.until_reset_ns = until_reset;
    outcome.is_impossible = cost > limit;
    return outcome;
  }

  // The state with `cost` given back, if it is still the window that it was counted in.
  static constexpr std::uint64_t refund(std::uint64_t state, std::uint64_t counted,
                                        std::uint64_t cost) {
    if (state >> 32 != counted >> 32) return state;
    return state - std::min<std::uint64_t>(cost, count_of(state));
  }

 private:
  static constexpr std::uint64_t kMostCount = std::numeric_limits<std::uint32_t>::max();

  static constexpr std::uint32_t count_of(std::uint64_t state) {
    return static_cast<std::uint32_t>(state);
  }
  static constexpr std::uint64_t count_in(std::uint64_t state, std::uint32_t window) {
    return static_cast<std::uint32_t>(state >> 32) == window ? count_of(state) : 0;
  }
};

}  // namespace headgate::quota
