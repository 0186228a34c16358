// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

#include "quota/limit.h"
#include "quota/semaphore.h"
#include "quota/table.h"

// Judges one request against one limit, in an account that others share. Lock-free.
namespace headgate::quota {

struct Moment {
  std::uint64_t wall_ns = 0;    // since the epoch
  std::uint64_t steady_ns = 0;  // CLOCK_MONOTONIC: the same for all who share an account
};

// What became of it, if the limit is enforced.
struct Ruling {
  bool is_over = false;
  std::uint32_t allowed = 0;    // in each period, or at once: as of now where the limit is adaptive
  std::uint32_t remaining = 0;  // after this request; 2^32 - 1 if it is unlimited
  std::chrono::nanoseconds until_reset{0};  // until the whole limit is free again
  // Until the same request can be admitted; 0 if it was, kNever if it is larger than the limit.
  std::chrono::nanoseconds retry_after{0};

  static constexpr std::chrono::nanoseconds kNever = std::chrono::nanoseconds::max();
};

// A key that a limit is counted by: its values, in their order. Refers to the entries.
struct Key {
  Fingerprint fingerprint;
  EntrySpan entries;
};
Key key_of(const LimitCore& limit, EntrySpan entries, std::uint64_t seed);

enum class Counting {
  kAll,       // also what is over, where the algorithm does: a fixed window
  kAdmitted,  // only what is within
  kNone,
};

// And what would take it back.
struct Judged {
  Ruling ruling;
  Place place;                // empty if nothing was counted
  std::uint64_t counted = 0;  // of a rate: its state then; of permits: how many are in use
  Semaphore::Life life = 0;   // of the lease that was taken
  // All keys have leases: nothing was counted. A rate admits it, a limit of concurrency refuses it.
  bool has_no_room = false;
};

// A limit of requests at once is only looked at: a permit is had by lend().
Judged judge(const LimitCore& limit, TableView& table, const Key& key, std::uint64_t hits,
             const Moment& now, Counting counting);

// As what a judged request counts in the metrics of its limit.
struct Counted {
  enum class As : std::uint8_t { kAdmitted, kRefused, kShadow, kUncounted };
  As as = As::kAdmitted;
  bool is_near = false;  // more than 80 % of the limit is used, as envoyproxy/ratelimit has it
};
Counted counted(const LimitCore& limit, const Judged& judged);

// Nobody knows when a permit comes back.
inline constexpr std::chrono::nanoseconds kPermitHint = std::chrono::milliseconds(100);

// Takes back what judge() has counted, unless its key has given way meanwhile.
void refund(const LimitCore& limit, const Judged& judged, std::uint64_t hits);

// Takes a permit of a limit of requests at once, by a lease that is the caller's own and free.
// Unless it is over the lease holds it then, until `end_ns` (steady; 0: for as long as its holder
// lives). Whose key finds no room, because all of them have leases, is refused: nobody would count
// it.
Judged lend(const LimitCore& limit, TableView& table, Semaphore& semaphore, const Key& key,
            std::size_t lease, std::uint64_t end_ns, const Moment& now);

// How many at once, as of now: an adaptive limit has it in its slot.
std::uint32_t permits_of(const LimitSettings& settings, const shared::Slot* slot);

}  // namespace headgate::quota
