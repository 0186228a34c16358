// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "quota/segment.h"

namespace headgate::quota {

// Which key it is: a hash of 128 bits of everything that makes it another one (key.h).
struct Fingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
};

// A place in the table. Stays readable and writable for as long as the table is mapped; `word`
// tells whether it still belongs to the same key.
struct Place {
  shared::Slot* slot = nullptr;
  shared::Set* set = nullptr;
  std::size_t way = 0;
  std::uint64_t word = 0;  // the tag as it was found

  explicit operator bool() const { return slot != nullptr; }
  // Not so while, or after, another key takes the place.
  bool is_still_there() const;
};

// The keys of one domain, at most max_keys of them. Lock-free, also between processes, and whole
// whenever one of them dies: a change of a set is announced in its word `change` and then finished
// by whoever comes by.
//
//   change = tag of the new key | its way | phase | version
//
// kIdle: no change is under way. kAsked: `way` is to be taken from its key; whoever comes by looks
// whether leases hang on it, and makes it kIdle or kTaken. kTaken: the slot's rate is set to 0,
// then its tag to the new one, then it is kIdle again. So tags change only while `change` is
// kTaken, and who finds no key while it is kIdle and puts his own into `change` has made sure that
// no key is there twice. A tag holds the version, too: a helper that was asleep changes nothing any
// more.
//
// A slot whose key has leases (in_flight) is never taken. A rate that is judged in the very moment
// in which its key gives way may be charged to the new key, once.
namespace change {
inline constexpr std::uint64_t kVersionMask = 0xffff;
inline constexpr unsigned kPhaseShift = 16;
inline constexpr unsigned kWayShift = 18;
inline constexpr unsigned kTagShift = 22;
enum class Phase : std::uint64_t { kIdle = 0, kAsked = 1, kTaken = 2 };
constexpr Phase phase_of(std::uint64_t word) {
  return static_cast<Phase>(word >> kPhaseShift & 3);
}
constexpr std::size_t way_of(std::uint64_t word) {
  return word >> kWayShift & 15;
}
// Of a tag's word, too: 0 where no key is.
constexpr std::uint64_t tag_of(std::uint64_t word) {
  return word >> kTagShift;
}
}  // namespace change

class TableView {
 public:
  TableView() = default;
  // `memory` is of bytes_for(sets) bytes, aligned to 64; `sets` is a power of two.
  TableView(void* memory, std::size_t sets, std::uint32_t max_keys, std::uint64_t seed);

  // How many sets a table for so many keys has: twice the slots, so that few sets are full before
  // the table is.
  static std::size_t sets_for(std::uint32_t max_keys);

  std::uint64_t seed() const { return seed_; }

  // The key's place, if it has one.
  Place find(const Fingerprint& key) const {
    shared::Set& set = set_of(key);
    return find_in(set, tag_for(key), first_way(key));
  }
  // The key's place; takes one if it has none, from the key that was asked for the longest time ago
  // if there are max_keys: of all keys in a small table, of 30 in a large one, and of the 15 of its
  // set if that is full. None: all of those have leases. `label` is for people.
  Place find_or_insert(const Fingerprint& key, std::uint64_t now_ns, std::uint32_t rule,
                       std::string_view label);

  static void touch(shared::Slot& slot, std::uint64_t now_ns) {
    slot.used.store(to_used(now_ns), std::memory_order_relaxed);
  }
  static constexpr std::uint32_t to_used(std::uint64_t now_ns) {
    return static_cast<std::uint32_t>(now_ns >> 20);
  }

  std::size_t slots() const { return sets_ * shared::kWays; }
  shared::Slot* slot_array() const { return slot_array_; }
  std::size_t number_of(const Place& place) const {
    return static_cast<std::size_t>(place.slot - slot_array_);
  }
  // The tag of the slot with this number: another one when another key has taken it.
  std::uint64_t word_at(std::size_t number) const {
    return set_array_[number / shared::kWays].tags[number % shared::kWays].load(
        std::memory_order_acquire);
  }
  // The slot with this number, or null if no key is there.
  shared::Slot* slot_in_use(std::size_t number) const;
  // Takes a key out, unless it has leases. True if it is gone.
  bool remove(const Place& place);

  std::uint64_t keys() const { return header_->keys.load(std::memory_order_relaxed); }
  std::uint64_t evicted() const { return header_->evicted.load(std::memory_order_relaxed); }
  std::uint32_t max_keys() const { return max_keys_; }
  // Counts the keys anew. By the daemon, now and then: a process that dies may leave the count
  // wrong. Who enters meanwhile is counted the next time.
  void recount();

 private:
  struct Victim;

  std::uint64_t keys_in_group(std::size_t group) const;
  void mark_group_of(const shared::Set& set);

  static constexpr std::uint64_t tag_for(const Fingerprint& key) {
    const std::uint64_t tag = key.low >> change::kTagShift;
    return tag != 0 ? tag : 1;
  }
  // Where it is if it is alone: looked at first.
  static constexpr std::size_t first_way(const Fingerprint& key) {
    return (key.low & 0xffff) % shared::kWays;
  }
  shared::Set& set_of(const Fingerprint& key) const { return set_array_[key.high & (sets_ - 1)]; }
  shared::Slot& slot_of(const shared::Set& set, std::size_t way) const {
    return slot_array_[static_cast<std::size_t>(&set - set_array_) * shared::kWays + way];
  }
  Place find_in(shared::Set& set, std::uint64_t tag, std::size_t first) const {
    for (std::size_t i = 0; i < shared::kWays; ++i) {
      const std::size_t way = (first + i) % shared::kWays;
      const std::uint64_t word = set.tags[way].load(std::memory_order_acquire);
      if (change::tag_of(word) == tag) return {&slot_of(set, way), &set, way, word};
    }
    return {};
  }

  std::optional<std::size_t> empty_way(const shared::Set& set, std::size_t first) const;
  bool announce(shared::Set& set, std::uint64_t seen, std::uint64_t tag, std::size_t way,
                change::Phase phase);
  void finish(shared::Set& set) const;
  void decide(shared::Set& set, std::uint64_t asked) const;
  void take(shared::Set& set, std::uint64_t taken) const;
  void look_for_victim(shared::Set& set, std::uint32_t now, Victim& oldest) const;
  Victim oldest_of_many(shared::Set& own, std::uint32_t now) const;
  bool enter(shared::Set& set, std::uint64_t seen, std::uint64_t tag, std::size_t way);
  bool replace(const Victim& victim, std::uint64_t tag, std::uint32_t now);

  shared::Header* header_ = nullptr;
  shared::Word* groups_ = nullptr;  // a bit for each group of sets
  shared::Set* set_array_ = nullptr;
  shared::Slot* slot_array_ = nullptr;
  std::size_t sets_ = 0;
  std::uint32_t max_keys_ = 0;
  std::uint64_t seed_ = 0;
};

}  // namespace headgate::quota
