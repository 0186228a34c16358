// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "quota/segment.h"

namespace headgate::quota {

// A counting semaphore in shared memory whose every permit is a lease that somebody holds. No
// permit is lost and none comes back twice, whenever a holder is killed: what a take or a give
// changes, the count in `in_flight` and the lease, is announced in the one word and finished by
// whoever comes by.
//
//   in_flight = count | pending | give | lease | the lower bits of its sequence number
//
// A lease goes kFree → kClaiming → kHeld → kFree, and its sequence number grows with each of its
// lives. It is kHeld if and only if it is in the count (with what is pending taken into account),
// so who clears up after a dead holder knows of each lease what to do.
//
// Everything here is lock-free. A lease is used by one thread at a time; but its end may also come
// from who clears up, at the same time.
class Semaphore {
 public:
  static constexpr std::uint32_t kMostPermits = (1U << 22) - 1;
  static constexpr std::size_t kMostLeases = std::size_t{1} << 20;

  // Of one domain: `in_flight` words by number of slot, and the leases by theirs.
  Semaphore(shared::Slot* slots, std::size_t slot_count, shared::Lease* leases,
            std::size_t lease_count)
      : slots_(slots), slot_count_(slot_count), leases_(leases), lease_count_(lease_count) {}

  enum class Taken { kYes, kFull };
  // Takes a permit if fewer than `limit` are taken. `lease` is free and the caller's own, and the
  // memory is not the caller's alone: kFull also if somebody has written nonsense into it.
  Taken take(std::size_t slot, std::size_t lease, std::uint32_t limit, std::uint64_t expires_ns);
  // What a lease that has been taken is now: give() by it gives back this life of the lease, and
  // none that comes after it.
  using Life = std::uint64_t;
  Life life_of(std::size_t lease) const;
  // Gives back what the lease holds, if it is still the same life. False: it holds nothing any
  // more.
  bool give(std::size_t lease, Life life);
  // The same whichever life it is.
  bool give(std::size_t lease);
  // Of a holder that is dead: gives back what the lease holds, also in the middle of a take or
  // give. True if it held a permit.
  bool clear(std::size_t lease);

  // Gives back what the lease holds if its end has come; another life of the lease is not touched.
  // A lease without an end never ends so. True if it gave a permit back.
  bool give_expired(std::size_t lease, std::uint64_t now_ns);

  // The slot whose permit the lease holds.
  std::optional<std::size_t> slot_held_by(std::size_t lease) const;

  static constexpr std::uint32_t count_of(std::uint64_t in_flight) {
    return static_cast<std::uint32_t>(in_flight >> kCountShift);
  }
  static constexpr bool has_leases(std::uint64_t in_flight) {
    return count_of(in_flight) != 0 || (in_flight & kPending) != 0;
  }

 private:
  static constexpr unsigned kCountShift = 42;
  static constexpr std::uint64_t kPending = std::uint64_t{1} << 41;
  static constexpr std::uint64_t kGive = std::uint64_t{1} << 40;
  static constexpr unsigned kLeaseShift = 20;
  static constexpr std::uint64_t kSequenceMask = (1U << 20) - 1;

  static constexpr std::uint64_t pending(std::uint32_t count, bool is_give, std::size_t lease,
                                         std::uint64_t state);
  void finish(shared::Word& in_flight);
  void settle(shared::Word& in_flight, std::uint64_t announced);
  bool give_in(std::size_t lease, std::uint64_t state);

  shared::Slot* slots_;
  std::size_t slot_count_;
  shared::Lease* leases_;
  std::size_t lease_count_;
};

}  // namespace headgate::quota
