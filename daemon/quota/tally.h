// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace headgate::quota {

// What a rule has done since the daemon began to know it. Monotonic. Thread-safe.
struct Tally {
  std::atomic<std::uint64_t> admitted = 0;    // descriptors within the limit
  std::atomic<std::uint64_t> refused = 0;     // over it, and told so
  std::atomic<std::uint64_t> shadow = 0;      // over it in shadow mode, and told otherwise
  std::atomic<std::uint64_t> uncounted = 0;   // admitted, because the table had no room for the key
  std::atomic<std::uint64_t> near_limit = 0;  // admitted with more than 80 % of the limit used
  std::atomic<std::uint64_t> throttle_ns = 0;  // that callers were told to wait
};

}  // namespace headgate::quota
