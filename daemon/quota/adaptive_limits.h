// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <variant>

#include "daemon/config/quota.h"
#include "quota/auto_limit.h"
#include "quota/gradient2_limit.h"
#include "quota/table.h"

namespace headgate::quota {

// The adaptive limits of one account's keys: learns from requests that have ended, and writes what
// it has learnt into the key's slot, where everybody reads it (permits_of). Thread-safe.
class AdaptiveLimits {
 public:
  // `table` outlives it.
  explicit AdaptiveLimits(TableView& table) : table_(table) {}

  // A request of this key has ended. `settings` say the algorithm and its bounds; where they have
  // changed it begins anew.
  void add(const Fingerprint& key, const config::QuotaLimit& settings, const LimitSample& sample);

  // Forgets keys that are not in the table any more; looks at kSlice of them, at others each time.
  void prune();
  static constexpr int kSlice = 1'000;

  // How many keys it knows: never more than the table may have.
  std::size_t learners() const;

 private:
  struct Learner {
    std::uint64_t word;  // the key's tag
    config::QuotaLimit settings;
    std::variant<AutoLimit, Gradient2Limit> algorithm;
  };
  static Learner begin(const Place& place, const Fingerprint& key,
                       const config::QuotaLimit& settings);
  bool has_room();
  void forget_some(int count);

  TableView& table_;
  mutable std::mutex mutex_;
  std::map<std::size_t, Learner> learners_;  // by number of the slot
  std::size_t forgot_until_ = 0;
};

}  // namespace headgate::quota
