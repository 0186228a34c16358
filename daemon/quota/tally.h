// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "quota/judge.h"
#include "quota/sharded_tally.h"

namespace headgate::quota {

// What a rule has done since the daemon began to know it. Monotonic. Thread-safe.
struct Tally {
  std::atomic<std::uint64_t> admitted = 0;    // descriptors within the limit
  std::atomic<std::uint64_t> refused = 0;     // over it, and told so
  std::atomic<std::uint64_t> shadow = 0;      // over it in shadow mode, and told otherwise
  std::atomic<std::uint64_t> uncounted = 0;   // admitted, because the table had no room for the key
  std::atomic<std::uint64_t> near_limit = 0;  // admitted with more than 80 % of the limit used

  void add(const Counted& one) {
    switch (one.as) {
      case Counted::As::kAdmitted:
        ++admitted;
        break;
      case Counted::As::kRefused:
        ++refused;
        break;
      case Counted::As::kShadow:
        ++shadow;
        break;
      case Counted::As::kUncounted:
        ++uncounted;
        break;
    }
    if (one.is_near) ++near_limit;
  }

  // What a service has judged by itself.
  void add(const TallyCounts& many) {
    admitted += many.admitted;
    refused += many.refused;
    shadow += many.shadow;
    uncounted += many.uncounted;
    near_limit += many.near_limit;
  }
};

}  // namespace headgate::quota
