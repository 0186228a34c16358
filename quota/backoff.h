// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <random>

namespace headgate::quota {

// How long to wait before the next try of something that has failed.
struct BackoffSettings {
  std::chrono::nanoseconds base = std::chrono::milliseconds(100);
  std::chrono::nanoseconds cap = std::chrono::seconds(30);
};

// The longest wait that is drawn from after `failures` in a row: min(cap, base · 2^failures). What
// is negative counts as 0.
inline std::chrono::nanoseconds backoff_ceiling(const BackoffSettings& settings,
                                                std::uint32_t failures) {
  const std::int64_t base = std::max<std::int64_t>(settings.base.count(), 0);
  const std::int64_t cap = std::max<std::int64_t>(settings.cap.count(), 0);
  if (base == 0) return std::chrono::nanoseconds(0);
  if (failures >= std::numeric_limits<std::int64_t>::digits || base > cap >> failures) {
    return std::chrono::nanoseconds(cap);
  }
  return std::chrono::nanoseconds(base << failures);
}

// Exponential backoff with full jitter: anything from 0 to that, so that those who failed together
// do not come back together (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
// 2015). `failures`: 0 before the first retry. `random`: any generator of the standard library's
// kind.
//
// `retry_after` is what the server said, none if 0. It is waited in any case and the jitter comes
// on top, for all who were refused together may have been told the same.
template <std::uniform_random_bit_generator Random>
std::chrono::nanoseconds backoff(
    const BackoffSettings& settings, std::uint32_t failures, Random& random,
    std::chrono::nanoseconds retry_after = std::chrono::nanoseconds(0)) {
  const std::int64_t most = backoff_ceiling(settings, failures).count();
  const std::int64_t least = std::max<std::int64_t>(retry_after.count(), 0);
  const std::int64_t jitter = std::uniform_int_distribution<std::int64_t>(0, most)(random);
  const std::int64_t room = std::numeric_limits<std::int64_t>::max() - least;
  return std::chrono::nanoseconds(least + std::min(jitter, room));
}

}  // namespace headgate::quota
