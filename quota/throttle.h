// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "quota/sampled_rate.h"

// What follows from an observed rate and the quota that it is held against.
namespace headgate::quota {

// The longest throttle of request time (KIP-124) and of new connections (KIP-612): one sample.
inline constexpr std::chrono::milliseconds kLongestThrottle{SampledRate::kSampleNs / 1'000'000};

// Byte rates (KIP-13) have no cap but this: throttle_time_ms is an int32 in the protocol.
inline constexpr std::chrono::milliseconds kNoThrottleCap{std::numeric_limits<std::int32_t>::max()};

// What a use of processing time adds to a rate that is counted in per cent of one thread's time.
inline double time_share_percent(std::chrono::nanoseconds used) {
  return std::chrono::duration<double>(used).count() * 100;
}

// None: within the quota. Otherwise how long the client is to send nothing, so that the rate comes
// down to `quota` if nothing else is recorded meanwhile: with O observed over W, and T the quota,
// O·W / (W + X) = T, thus X = (O − T) / T · W (KIP-13; ClientQuotaManager.throttleTime in Kafka).
// The violation is judged with what asks already recorded, and may be so small that X rounds to 0.
//
// `quota` in units a second, > 0; one that is not is one that everything violates.
inline std::optional<std::chrono::milliseconds> throttle_time(const ObservedRate& observed,
                                                              double quota,
                                                              std::chrono::milliseconds cap) {
  if (observed.per_second <= quota) return std::nullopt;
  const double window_ms = static_cast<double>(observed.window_ns) / 1e6;
  const double time_ms = std::round((observed.per_second - quota) / quota * window_ms);
  if (!(quota > 0) || !(time_ms < static_cast<double>(cap.count()))) return cap;
  return std::chrono::milliseconds(static_cast<std::int64_t>(time_ms));
}

}  // namespace headgate::quota
