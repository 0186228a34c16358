// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/adaptive_limits.h"

namespace headgate::quota {

// Keys differ in when they measure anew: the seed is the key's own.
AdaptiveLimits::Learner AdaptiveLimits::begin(const Fingerprint& key,
                                              const config::QuotaLimit& settings) {
  const LimitBounds bounds(settings.floor, settings.ceiling);
  if (settings.algorithm == config::QuotaAlgorithm::kAuto) {
    return {settings, AutoLimit(bounds, key.low)};
  }
  return {settings, Gradient2Limit(bounds)};
}

void AdaptiveLimits::add(const Fingerprint& key, const config::QuotaLimit& settings,
                         const LimitSample& sample) {
  // Who has mapped the memory may make up keys.
  const Place place = table_.find(key);
  if (!place) return;
  const std::lock_guard lock(mutex_);
  const Key name{key.high, key.low};
  auto found = learners_.find(name);
  if (found == learners_.end() || !(found->second.settings == settings)) {
    found = learners_.insert_or_assign(name, begin(key, settings)).first;
  }
  Learner& learner = found->second;
  const std::uint32_t limit = std::visit(
      [&](auto& algorithm) {
        algorithm.add(sample);
        return algorithm.limit();
      },
      learner.algorithm);
  place.slot->state.store(limit, std::memory_order_relaxed);
}

void AdaptiveLimits::prune() {
  const std::lock_guard lock(mutex_);
  auto at = learners_.lower_bound(pruned_until_);
  for (int i = 0; i < kSlice && at != learners_.end(); ++i) {
    const bool is_gone = !table_.find({at->first.first, at->first.second});
    at = is_gone ? learners_.erase(at) : std::next(at);
  }
  pruned_until_ = at != learners_.end() ? at->first : Key{};
}

}  // namespace headgate::quota
