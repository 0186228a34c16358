// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

// How the account of one domain lies in memory that several processes share: a hash table of keys
// in sets of 15. Whoever maps it may write anything into it at any time, so whoever reads it
// believes nothing: numbers are kept in range by those who use them, and how large it is they know
// from elsewhere.
namespace headgate::quota::shared {

using Word = std::atomic<std::uint64_t>;
using HalfWord = std::atomic<std::uint32_t>;
static_assert(Word::is_always_lock_free && HalfWord::is_always_lock_free);

inline constexpr std::uint64_t kMagic = 0x31'65'74'61'67'64'61'68;  // "hadgate1"
inline constexpr std::size_t kWays = 15;
inline constexpr std::size_t kLabelBytes = 28;

struct alignas(128) Header {
  Word magic;
  Word sets;
  Word max_keys;
  Word seed;     // of the hash: nobody can choose keys that fall into one set
  Word keys;     // in the table; what a killed process leaves wrong the daemon mends
  Word evicted;  // keys that had to give way
  std::byte unused[80];
};
static_assert(sizeof(Header) == 128);  // so that no set lies in two pages

// Which groups of sets have ever had a key, a bit for each group, behind the header: who counts the
// keys looks nowhere else, and so touches no memory that nobody has touched. Nobody asks the kernel
// for that: another process can make such a question about the file wait for ever.
inline constexpr std::size_t kGroupSets = 32;
inline constexpr std::size_t kGroupsInWord = 64;

// `change` makes the changes of one set atomic (table.h). A tag is 0 where no key is.
struct alignas(128) Set {
  Word change;
  Word tags[kWays];
};
static_assert(sizeof(Set) == 128);

// What is known of one key. All 0 is a key that has not been asked for.
struct alignas(64) Slot {
  Word state;      // of a rate: the TAT, or the window and its count
  Word in_flight;  // of a limit of concurrency (semaphore.h)
  HalfWord used;   // when it was asked for last: steady clock, in 2^20 ns, truncated
  HalfWord rule;   // whose key it is: the lower half of the limit's identity
  HalfWord hits;
  HalfWord refused;
  HalfWord streak;                       // refused one after another, until now
  std::atomic<char> label[kLabelBytes];  // for people; cut short, padded with 0
};
static_assert(sizeof(Slot) == 64);

// One permit of a semaphore, and who clears up when its holder dies knows where to look.
struct alignas(32) Lease {
  Word state;       // sequence and phase
  Word slot;        // whose permit it is: number of the slot
  Word expires_ns;  // steady clock; 0: never
  Word unused;
};
static_assert(sizeof(Lease) == 32);

// Where the sets begin, and the slots behind them.
constexpr std::size_t sets_at(std::size_t sets) {
  const std::size_t groups = (sets + kGroupSets - 1) / kGroupSets;
  const std::size_t bytes = (groups + kGroupsInWord - 1) / kGroupsInWord * sizeof(Word);
  return sizeof(Header) + (bytes + sizeof(Set) - 1) / sizeof(Set) * sizeof(Set);
}
constexpr std::size_t slots_at(std::size_t sets) {
  return sets_at(sets) + sets * sizeof(Set);
}
constexpr std::size_t bytes_for(std::size_t sets, std::size_t leases) {
  return slots_at(sets) + sets * kWays * sizeof(Slot) + leases * sizeof(Lease);
}

}  // namespace headgate::quota::shared
