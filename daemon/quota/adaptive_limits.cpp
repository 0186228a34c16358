// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/adaptive_limits.h"

namespace headgate::quota {

// Keys differ in when they measure anew: the seed is the key's own.
AdaptiveLimits::Learner AdaptiveLimits::begin(const Fingerprint& key,
                                              const config::QuotaLimit& settings) {
  const LimitBounds bounds(settings.floor, settings.ceiling);
  if (settings.algorithm == config::QuotaAlgorithm::kAuto) {
    return {settings, AutoLimit(bounds, key.low), 0};
  }
  return {settings, Gradient2Limit(bounds), 0};
}

void AdaptiveLimits::add(const Fingerprint& key, const config::QuotaLimit& settings,
                         const LimitSample& sample) {
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
  if (limit == learner.published) return;
  const Place place = table_.find(key);
  if (!place) return;
  place.slot->state.store(limit, std::memory_order_relaxed);
  learner.published = limit;
}

void AdaptiveLimits::prune() {
  const std::lock_guard lock(mutex_);
  for (auto at = learners_.begin(); at != learners_.end();) {
    const bool is_gone = !table_.find({at->first.first, at->first.second});
    at = is_gone ? learners_.erase(at) : std::next(at);
  }
}

}  // namespace headgate::quota
