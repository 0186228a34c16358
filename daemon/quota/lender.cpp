// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/lender.h"

#include <algorithm>

namespace headgate::quota {
namespace {

// A key may give way to another one in the moment in which it is asked for; not again and again.
constexpr int kTries = 100;

}  // namespace

Judged Lender::lend(const Limit& limit, const std::vector<Entry>& entries, const Moment& now) {
  TableView& table = account_->table();
  const Key key = key_of(limit, entries, table.seed());
  Judged judged;
  const std::optional<std::size_t> lease = account_->borrow_lease();
  for (int i = 0; lease && i < kTries; ++i) {
    const Place place = table.find_or_insert(key.fingerprint, now.steady_ns,
                                             static_cast<std::uint32_t>(limit.identity), key.label);
    if (!place) break;
    const std::uint32_t permits = permits_of(limit.settings, place.slot);
    const bool is_taken = take(limit, place, *lease, now, permits);
    if (is_taken && !place.is_still_there()) {
      account_->semaphore().give(*lease);
      continue;
    }
    const std::uint32_t in_use =
        Semaphore::count_of(place.slot->in_flight.load(std::memory_order_relaxed));
    judged.verdict = verdict_on(is_taken ? in_use : std::max(in_use, permits), permits);
    judged.verdict.is_over = !is_taken;
    judged.place = place;
    note(*place.slot, judged.verdict, now);
    if (is_taken) {
      permit_.add({account_, *lease, key.fingerprint, limit.settings, in_use});
    } else {
      account_->return_lease(*lease);
    }
    return judged;
  }
  if (lease) account_->return_lease(*lease);
  // Unlike a rate, whose keys are all alike when they are forgotten, this one has no count at all:
  // whom nobody counts is refused.
  judged.verdict.is_over = true;
  judged.verdict.retry_after = kPermitHint;
  judged.has_no_room = true;
  return judged;
}

bool Lender::take(const Limit& limit, const Place& place, std::size_t lease, const Moment& now,
                  std::uint32_t permits) {
  const std::chrono::nanoseconds ttl = ttl_.value_or(limit.settings.lease_ttl);
  const std::uint64_t end =
      ttl.count() > 0 ? now.steady_ns + static_cast<std::uint64_t>(ttl.count()) : 0;
  return account_->semaphore().take(account_->table().number_of(place), lease, permits, end) ==
         Semaphore::Taken::kYes;
}

}  // namespace headgate::quota
