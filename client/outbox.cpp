// SPDX-License-Identifier: Apache-2.0
#include "client/outbox.h"

#include <string>
#include <thread>

namespace headgate::client {

Outbox::Outbox() {
  for (auto* const samples : {&samples_, &taken_samples_}) samples->reserve(kRoom);
  for (auto* const refusals : {&refusals_, &taken_refusals_}) refusals->reserve(kRoom);
}

void Outbox::add(const quota::attach::Sample& sample) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock && samples_.size() < kRoom) samples_.push_back(sample);
}

void Outbox::add_refusal(std::uint64_t limit, std::string_view value) {
  if (value.size() > kAddressBytes) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || refusals_.size() == kRoom) return;
  ShortRefusal& refusal = refusals_.emplace_back();
  refusal.limit = limit;
  refusal.size = static_cast<std::uint8_t>(value.copy(refusal.value, kAddressBytes));
}

Outbox::Letters Outbox::take() {
  taken_samples_.clear();
  taken_refusals_.clear();
  {
    // Not by lock(): who adds would have to wake us then, which is a system call.
    std::unique_lock lock(mutex_, std::defer_lock);
    while (!lock.try_lock()) std::this_thread::yield();
    samples_.swap(taken_samples_);
    refusals_.swap(taken_refusals_);
  }
  Letters letters{taken_samples_, {}};
  for (const ShortRefusal& one : taken_refusals_) {
    letters.refusals.push_back({one.limit, std::string(one.value, one.size)});
  }
  return letters;
}

}  // namespace headgate::client
