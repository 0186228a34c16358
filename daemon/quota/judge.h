// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "daemon/quota/engine.h"
#include "quota/table.h"

namespace headgate::quota {

struct Moment {
  std::uint64_t wall_ns = 0;    // since the epoch
  std::uint64_t steady_ns = 0;  // since some start
};

// A key that a limit is counted by.
struct Key {
  Fingerprint fingerprint;
  std::string label;  // its values: "alice, /login"
};
Key key_of(const Limit& limit, const std::vector<Entry>& entries, std::uint64_t seed);

enum class Counting {
  kAll,       // also what is over, where the algorithm does: a fixed window
  kAdmitted,  // only what is within
  kNone,
};

// One request against one limit, and what would take it back.
struct Judged {
  Verdict verdict;  // without shadow mode: is_over and would_be_over are the same
  Place place;      // empty if nothing was counted
  std::uint64_t counted = 0;
  // All keys have leases: nothing was counted. A rate admits it, a limit of concurrency refuses it.
  bool has_no_room = false;
};
Judged judge(const Limit& limit, TableView& table, const Key& key, std::uint64_t hits,
             const Moment& now, Counting counting);

// Is it a limit of requests at once, not of requests in a time?
bool is_concurrency(const Limit& limit);
bool is_adaptive(const config::QuotaLimit& settings);
// How many at once, as of now: an adaptive limit has it in its slot.
std::uint32_t permits_of(const config::QuotaLimit& settings, const shared::Slot* slot);
// That `taken` permits of so many are in use.
Verdict verdict_on(std::uint32_t taken, std::uint32_t permits);
// Notes in the slot that its key was asked for; makes whoever insists wait longer.
void note(shared::Slot& slot, Verdict& verdict, const Moment& now);

// Nobody knows when a permit comes back.
inline constexpr std::chrono::nanoseconds kPermitHint = std::chrono::milliseconds(100);

// Takes back what `judged` has counted, unless its key has given way meanwhile.
void refund(const Limit& limit, const Judged& judged, std::uint64_t hits);

}  // namespace headgate::quota
