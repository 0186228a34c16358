// SPDX-License-Identifier: Apache-2.0
#include "quota/semaphore.h"

namespace headgate::quota {
namespace {

// Only somebody who writes nonsense makes anyone try so often.
constexpr int kTries = 100'000;

// A lease's word: sequence | phase.
enum class Phase : std::uint64_t { kFree = 0, kClaiming = 1, kHeld = 2 };
constexpr unsigned kPhaseBits = 2;

constexpr std::uint64_t sequence_of(std::uint64_t lease) {
  return lease >> kPhaseBits;
}
constexpr Phase phase_of(std::uint64_t lease) {
  return static_cast<Phase>(lease & 3);
}
constexpr std::uint64_t make_lease(std::uint64_t sequence, Phase phase) {
  return sequence << kPhaseBits | static_cast<std::uint64_t>(phase);
}

}  // namespace

constexpr std::uint64_t Semaphore::pending(std::uint32_t count, bool is_give, std::size_t lease,
                                           std::uint64_t state) {
  return std::uint64_t{count} << kCountShift | kPending | (is_give ? kGive : 0) |
         static_cast<std::uint64_t>(lease) << kLeaseShift | (sequence_of(state) & kSequenceMask);
}

// When it returns, nothing is pending that was when it was called.
void Semaphore::finish(shared::Word& in_flight) {
  for (int i = 0; i < kTries; ++i) {
    const std::uint64_t now = in_flight.load(std::memory_order_seq_cst);
    if ((now & kPending) == 0) return;
    settle(in_flight, now);
  }
}

// The lease first, then the word. The lease is read before it is made sure that its change is still
// pending, so a helper that was asleep changes nothing.
void Semaphore::settle(shared::Word& in_flight, std::uint64_t announced) {
  const auto number = static_cast<std::size_t>(announced >> kLeaseShift & (kMostLeases - 1));
  const bool is_give = (announced & kGive) != 0;
  if (number < lease_count_) {
    shared::Word& lease = leases_[number].state;
    std::uint64_t state = lease.load(std::memory_order_seq_cst);
    if (in_flight.load(std::memory_order_seq_cst) != announced) return;
    const bool is_same = (sequence_of(state) & kSequenceMask) == (announced & kSequenceMask);
    if (is_same && phase_of(state) == (is_give ? Phase::kHeld : Phase::kClaiming)) {
      const std::uint64_t next = is_give ? make_lease(sequence_of(state) + 1, Phase::kFree)
                                         : make_lease(sequence_of(state), Phase::kHeld);
      lease.compare_exchange_strong(state, next, std::memory_order_seq_cst);
    }
  }
  std::uint64_t expected = announced;
  in_flight.compare_exchange_strong(expected, announced & ~kPending, std::memory_order_seq_cst);
}

Semaphore::Taken Semaphore::take(std::size_t slot, std::size_t lease, std::uint32_t limit,
                                 std::uint64_t expires_ns) {
  shared::Lease& mine = leases_[lease];
  shared::Word& in_flight = slots_[slot].in_flight;
  const std::uint64_t free = mine.state.load(std::memory_order_relaxed);
  const std::uint64_t claiming = make_lease(sequence_of(free) + 1, Phase::kClaiming);
  mine.slot.store(slot, std::memory_order_relaxed);
  mine.expires_ns.store(expires_ns, std::memory_order_relaxed);
  mine.state.store(claiming, std::memory_order_seq_cst);
  for (int i = 0; i < kTries; ++i) {
    std::uint64_t now = in_flight.load(std::memory_order_seq_cst);
    if ((now & kPending) != 0) {
      settle(in_flight, now);
      continue;
    }
    if (count_of(now) >= limit || count_of(now) >= kMostPermits) break;
    const std::uint64_t next = pending(count_of(now) + 1, false, lease, claiming);
    if (!in_flight.compare_exchange_weak(now, next, std::memory_order_seq_cst)) continue;
    settle(in_flight, next);
    return Taken::kYes;
  }
  mine.state.store(make_lease(sequence_of(claiming) + 1, Phase::kFree), std::memory_order_seq_cst);
  return Taken::kFull;
}

Semaphore::Life Semaphore::life_of(std::size_t lease) const {
  return leases_[lease].state.load(std::memory_order_seq_cst);
}

bool Semaphore::give(std::size_t lease, Life life) {
  return give_in(lease, life);
}

bool Semaphore::give(std::size_t lease) {
  return give_in(lease, leases_[lease].state.load(std::memory_order_seq_cst));
}

// If it is still in that state.
bool Semaphore::give_in(std::size_t lease, std::uint64_t state) {
  shared::Lease& held = leases_[lease];
  const auto slot = static_cast<std::size_t>(held.slot.load(std::memory_order_relaxed));
  if (phase_of(state) != Phase::kHeld || slot >= slot_count_) return false;
  shared::Word& in_flight = slots_[slot].in_flight;
  for (int i = 0; i < kTries; ++i) {
    std::uint64_t now = in_flight.load(std::memory_order_seq_cst);
    if ((now & kPending) != 0) {
      settle(in_flight, now);
      continue;
    }
    // In this order: if somebody else gives it back, the word has changed.
    if (held.state.load(std::memory_order_seq_cst) != state || count_of(now) == 0) return false;
    const std::uint64_t next = pending(count_of(now) - 1, true, lease, state);
    if (!in_flight.compare_exchange_weak(now, next, std::memory_order_seq_cst)) continue;
    settle(in_flight, next);
    return true;
  }
  return false;
}

bool Semaphore::clear(std::size_t lease) {
  shared::Lease& left = leases_[lease];
  std::uint64_t state = left.state.load(std::memory_order_seq_cst);
  if (phase_of(state) == Phase::kClaiming) {
    const auto slot = static_cast<std::size_t>(left.slot.load(std::memory_order_relaxed));
    if (slot < slot_count_) finish(slots_[slot].in_flight);
    state = left.state.load(std::memory_order_seq_cst);
  }
  if (phase_of(state) == Phase::kHeld) {
    const bool given = give(lease);
    if (given) return true;
    state = left.state.load(std::memory_order_seq_cst);
  }
  if (phase_of(state) == Phase::kFree) return false;
  left.state.store(make_lease(sequence_of(state) + 1, Phase::kFree), std::memory_order_seq_cst);
  return false;
}

// The end is read between two looks at the state: so it is of the life that is ended.
bool Semaphore::give_expired(std::size_t lease, std::uint64_t now_ns) {
  const shared::Lease& one = leases_[lease];
  const std::uint64_t state = one.state.load(std::memory_order_seq_cst);
  const std::uint64_t end = one.expires_ns.load(std::memory_order_seq_cst);
  if (phase_of(state) != Phase::kHeld || end == 0 || end > now_ns) return false;
  return give_in(lease, state);
}

std::optional<std::size_t> Semaphore::slot_held_by(std::size_t lease) const {
  const shared::Lease& one = leases_[lease];
  if (phase_of(one.state.load(std::memory_order_acquire)) != Phase::kHeld) return std::nullopt;
  const auto slot = static_cast<std::size_t>(one.slot.load(std::memory_order_relaxed));
  if (slot >= slot_count_) return std::nullopt;
  return slot;
}

}  // namespace headgate::quota
