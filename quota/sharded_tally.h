// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "quota/judge.h"

namespace headgate::quota {

// What has become of requests since somebody took it.
struct TallyCounts {
  std::uint64_t admitted = 0;
  std::uint64_t refused = 0;
  std::uint64_t shadow = 0;      // over the limit, and admitted since it is not enforced
  std::uint64_t uncounted = 0;   // admitted, for there was no room for their key
  std::uint64_t near_limit = 0;  // more than 80 % of the limit is used

  TallyCounts& operator+=(const TallyCounts& more) {
    admitted += more.admitted;
    refused += more.refused;
    shadow += more.shadow;
    uncounted += more.uncounted;
    near_limit += more.near_limit;
    return *this;
  }
  bool is_empty() const { return admitted + refused + shadow + uncounted == 0; }
};

// Counts of one limit, in several places, so that threads do not wait for each other's cache line.
// Lock-free.
class ShardedTally {
 public:
  void add(std::size_t shard, const Counted& counted) {
    Shard& to = shards_[shard % kShards];
    const auto which = static_cast<std::size_t>(counted.as);
    to.counts[which].fetch_add(1, std::memory_order_relaxed);
    if (counted.is_near) to.near_limit.fetch_add(1, std::memory_order_relaxed);
  }

  // All that was counted since the last time.
  TallyCounts take() {
    TallyCounts sum;
    for (Shard& shard : shards_) {
      const auto count = [&](Counted::As as) {
        return shard.counts[static_cast<std::size_t>(as)].exchange(0, std::memory_order_relaxed);
      };
      sum.admitted += count(Counted::As::kAdmitted);
      sum.refused += count(Counted::As::kRefused);
      sum.shadow += count(Counted::As::kShadow);
      sum.uncounted += count(Counted::As::kUncounted);
      sum.near_limit += shard.near_limit.exchange(0, std::memory_order_relaxed);
    }
    return sum;
  }

 private:
  static constexpr std::size_t kShards = 8;

  struct alignas(64) Shard {
    std::array<std::atomic<std::uint64_t>, 4> counts{};
    std::atomic<std::uint64_t> near_limit = 0;
  };
  std::array<Shard, kShards> shards_;
};

}  // namespace headgate::quota
