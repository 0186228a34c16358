// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/adaptive_limits.h"

namespace headgate::quota {

// Keys differ in when they measure anew: the seed is the key's own.
AdaptiveLimits::Learner AdaptiveLimits::begin(const Place& place, const Fingerprint& key,
                                              const config::QuotaLimit& settings) {
  const LimitBounds bounds(settings.floor, settings.ceiling);
  if (settings.algorithm == config::QuotaAlgorithm::kAuto) {
    return {place.word, settings, AutoLimit(bounds, key.low)};
  }
  return {place.word, settings, Gradient2Limit(bounds)};
}

void AdaptiveLimits::add(const Fingerprint& key, const config::QuotaLimit& settings,
                         const LimitSample& sample) {
  // Who has mapped the memory may make up keys.
  const Place place = table_.find(key);
  if (!place) return;
  const std::size_t number = table_.number_of(place);
  const std::lock_guard lock(mutex_);
  auto found = learners_.find(number);
  if (found == learners_.end()) {
    if (!has_room()) return;
    found = learners_.emplace(number, begin(place, key, settings)).first;
  }
  Learner& learner = found->second;
  if (learner.word != place.word || !(learner.settings == settings)) {
    learner = begin(place, key, settings);
  }
  const std::uint32_t limit = std::visit(
      [&](auto& algorithm) {
        algorithm.add(sample);
        return algorithm.limit();
      },
      learner.algorithm);
  place.slot->state.store(limit, std::memory_order_relaxed);
}

// There are as many as the table may have keys: some of them have left it, or what is written there
// is nonsense.
bool AdaptiveLimits::has_room() {
  constexpr int kFew = 10;
  if (learners_.size() < table_.max_keys()) return true;
  forget_some(kFew);
  return learners_.size() < table_.max_keys();
}

void AdaptiveLimits::forget_some(int count) {
  auto at = learners_.lower_bound(forgot_until_);
  for (int i = 0; i < count && at != learners_.end(); ++i) {
    const bool is_gone = table_.word_at(at->first) != at->second.word;
    at = is_gone ? learners_.erase(at) : std::next(at);
  }
  forgot_until_ = at != learners_.end() ? at->first : 0;
}

void AdaptiveLimits::prune() {
  const std::lock_guard lock(mutex_);
  forget_some(kSlice);
}

std::size_t AdaptiveLimits::learners() const {
  const std::lock_guard lock(mutex_);
  return learners_.size();
}

}  // namespace headgate::quota
