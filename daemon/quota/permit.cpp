// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/permit.h"

#include "quota/judge.h"

namespace headgate::quota {

Permit& Permit::operator=(Permit&& other) noexcept {
  if (this == &other) return *this;
  drop();
  held_ = std::exchange(other.held_, {});
  steady_ns_ = other.steady_ns_;
  begin_ns_ = other.begin_ns_;
  return *this;
}

void Permit::drop() {
  for (const Held& one : held_) {
    one.account->semaphore().give(one.lease, one.life);
    one.account->return_lease(one.lease);
  }
  held_.clear();
}

void Permit::end(const Outcome& outcome) {
  for (const Held& one : held_) {
    if (!is_adaptive(one.settings)) continue;
    const std::uint64_t now = steady_ns_();
    const std::uint64_t held = now > begin_ns_ ? now - begin_ns_ : 0;
    const std::uint64_t latency =
        outcome.latency ? static_cast<std::uint64_t>(outcome.latency->count()) : held;
    one.account->adaptive().add(one.key, one.settings,
                                {now, latency, one.in_flight, outcome.has_failed});
  }
  drop();
}

}  // namespace headgate::quota
