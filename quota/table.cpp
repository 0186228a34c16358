// SPDX-License-Identifier: Apache-2.0
#include "quota/table.h"

#include <algorithm>
#include <bit>

#include "quota/semaphore.h"

namespace headgate::quota {
namespace {

using change::Phase;
using shared::kWays;

// Only somebody who writes nonsense into the table makes anyone try so often.
constexpr int kTries = 1000;
constexpr std::size_t kSample = 30;       // keys that are compared when one has to give way, …
constexpr std::size_t kSampleSets = 256;  // … in at most so many sets
constexpr std::uint32_t kSoon = 0xffff'0000;  // an age that is a minute less than none

constexpr std::uint64_t make_change(std::uint64_t tag, std::size_t way, Phase phase,
                                    std::uint64_t version) {
  return tag << change::kTagShift | way << change::kWayShift |
         static_cast<std::uint64_t>(phase) << change::kPhaseShift |
         (version & change::kVersionMask);
}

constexpr std::uint64_t in_phase(std::uint64_t word, Phase phase) {
  return make_change(change::tag_of(word), change::way_of(word), phase, word);
}

// The tag that a change puts in: without way and phase.
constexpr std::uint64_t tag_word(std::uint64_t word) {
  return make_change(change::tag_of(word), 0, Phase::kIdle, word);
}

}  // namespace

// The key that was asked for the longest time ago of those that were looked at.
struct TableView::Victim {
  shared::Set* set = nullptr;
  std::uint64_t seen = 0;  // the set's word `change`, before its tags were read
  std::size_t way = 0;
  std::uint64_t word = 0;
  std::uint32_t age = 0;
  std::size_t compared = 0;
};

bool Place::is_still_there() const {
  const std::uint64_t now = set->change.load(std::memory_order_seq_cst);
  if (change::phase_of(now) != Phase::kIdle && change::way_of(now) == way) return false;
  return set->tags[way].load(std::memory_order_seq_cst) == word;
}

TableView::TableView(void* memory, std::size_t sets, std::uint32_t max_keys, std::uint64_t seed)
    : header_(static_cast<shared::Header*>(memory)),
      groups_(reinterpret_cast<shared::Word*>(header_ + 1)),
      set_array_(
          reinterpret_cast<shared::Set*>(static_cast<std::byte*>(memory) + shared::sets_at(sets))),
      slot_array_(reinterpret_cast<shared::Slot*>(set_array_ + sets)),
      sets_(sets),
      max_keys_(max_keys),
      seed_(seed) {}

std::size_t TableView::sets_for(std::uint32_t max_keys) {
  return std::bit_ceil(std::max<std::size_t>(1, (2 * std::size_t{max_keys} + kWays - 1) / kWays));
}

std::optional<std::size_t> TableView::empty_way(const shared::Set& set, std::size_t first) const {
  for (std::size_t i = 0; i < kWays; ++i) {
    const std::size_t way = (first + i) % kWays;
    if (change::tag_of(set.tags[way].load(std::memory_order_acquire)) == 0) return way;
  }
  return std::nullopt;
}

// False: another change came first.
bool TableView::announce(shared::Set& set, std::uint64_t seen, std::uint64_t tag, std::size_t way,
                         Phase phase) {
  const std::uint64_t next = make_change(tag, way, phase, seen + 1);
  if (!set.change.compare_exchange_strong(seen, next, std::memory_order_seq_cst)) return false;
  finish(set);
  return true;
}

// When it returns, the change that was under way is none any more.
void TableView::finish(shared::Set& set) const {
  for (int i = 0; i < kTries; ++i) {
    std::uint64_t now = set.change.load(std::memory_order_seq_cst);
    if (change::way_of(now) >= kWays) {  // nonsense
      set.change.compare_exchange_strong(now, make_change(0, 0, Phase::kIdle, now + 1));
    }
    switch (change::phase_of(now)) {
      case Phase::kIdle:
        return;
      case Phase::kAsked:
        decide(set, now);
        break;
      case Phase::kTaken:
        take(set, now);
        break;
      default:
        set.change.compare_exchange_strong(now, in_phase(now, Phase::kIdle));
        break;
    }
  }
}

// Whoever acquires a lease looks at `change` afterwards: one of us sees the other.
void TableView::decide(shared::Set& set, std::uint64_t asked) const {
  const shared::Slot& slot = slot_of(set, change::way_of(asked));
  const bool has_leases = Semaphore::has_leases(slot.in_flight.load(std::memory_order_seq_cst));
  set.change.compare_exchange_strong(
      asked, in_phase(asked, has_leases ? Phase::kIdle : Phase::kTaken), std::memory_order_seq_cst);
}

void TableView::take(shared::Set& set, std::uint64_t taken) const {
  const std::size_t way = change::way_of(taken);
  const std::uint64_t wanted = tag_word(taken);
  shared::Slot& slot = slot_of(set, way);
  for (int i = 0; i < kTries; ++i) {
    // In this order: if the tag is the old one, so is the state; and if the change is still under
    // way, nobody has finished it.
    std::uint64_t state = slot.state.load(std::memory_order_acquire);
    std::uint64_t word = set.tags[way].load(std::memory_order_acquire);
    if (set.change.load(std::memory_order_acquire) != taken) return;
    if (word == wanted) break;
    if (state != 0) {
      slot.state.compare_exchange_strong(state, 0, std::memory_order_acq_rel);
    } else {
      set.tags[way].compare_exchange_strong(word, wanted, std::memory_order_acq_rel);
    }
  }
  set.change.compare_exchange_strong(taken, in_phase(taken, Phase::kIdle),
                                     std::memory_order_seq_cst);
}

Place TableView::find_or_insert(const Fingerprint& key, std::uint64_t now_ns, std::uint32_t rule,
                                std::string_view label) {
  shared::Set& set = set_of(key);
  const std::uint64_t tag = tag_for(key);
  const std::size_t first = first_way(key);
  if (const Place place = find_in(set, tag, first)) return place;
  const std::uint32_t now = to_used(now_ns);
  for (int i = 0; i < kTries; ++i) {
    const std::uint64_t seen = set.change.load(std::memory_order_acquire);
    if (change::phase_of(seen) != Phase::kIdle) {
      finish(set);
      continue;
    }
    if (const Place place = find_in(set, tag, first)) return place;
    const std::optional<std::size_t> empty = empty_way(set, first);
    bool entered = false;
    if (empty && header_->keys.fetch_add(1, std::memory_order_relaxed) < max_keys_) {
      entered = enter(set, seen, tag, *empty);
    } else {
      Victim victim;
      if (empty) {
        header_->keys.fetch_sub(1, std::memory_order_relaxed);
        victim = oldest_of_many(set, now);
      } else {
        look_for_victim(set, now, victim);
      }
      if (victim.set == nullptr) return {};
      entered = replace(victim, victim.set == &set ? tag : 0, now) && victim.set == &set;
    }
    if (!entered) continue;
    const Place place = find_in(set, tag, first);
    if (!place) continue;
    TableView::touch(*place.slot, now_ns);
    place.slot->rule.store(rule, std::memory_order_relaxed);
    place.slot->hits.store(0, std::memory_order_relaxed);
    place.slot->refused.store(0, std::memory_order_relaxed);
    place.slot->streak.store(0, std::memory_order_relaxed);
    for (std::size_t at = 0; at < shared::kLabelBytes; ++at) {
      place.slot->label[at].store(at < label.size() ? label[at] : '\0', std::memory_order_relaxed);
    }
    return place;
  }
  return {};
}

// Into an empty way; the key has been counted already.
bool TableView::enter(shared::Set& set, std::uint64_t seen, std::uint64_t tag, std::size_t way) {
  mark_group_of(set);
  if (announce(set, seen, tag, way, Phase::kTaken)) return true;
  header_->keys.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

// In place of the victim; tag 0 leaves its way empty. False: it is no victim any more.
bool TableView::replace(const Victim& victim, std::uint64_t tag, std::uint32_t now) {
  shared::Slot& slot = slot_of(*victim.set, victim.way);
  // Whoever comes between must not think that the new key is as old as its predecessor.
  if (tag != 0) slot.used.store(now, std::memory_order_relaxed);
  if (!announce(*victim.set, victim.seen, tag, victim.way, Phase::kAsked)) return false;
  if (victim.set->tags[victim.way].load(std::memory_order_acquire) == victim.word) return false;
  if (tag == 0) header_->keys.fetch_sub(1, std::memory_order_relaxed);
  header_->evicted.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void TableView::look_for_victim(shared::Set& set, std::uint32_t now, Victim& oldest) const {
  const std::uint64_t seen = set.change.load(std::memory_order_acquire);
  if (change::phase_of(seen) != Phase::kIdle) {
    finish(set);
    return;
  }
  for (std::size_t way = 0; way < kWays; ++way) {
    const std::uint64_t word = set.tags[way].load(std::memory_order_acquire);
    if (change::tag_of(word) == 0) continue;
    const shared::Slot& slot = slot_of(set, way);
    if (Semaphore::has_leases(slot.in_flight.load(std::memory_order_acquire))) continue;
    ++oldest.compared;
    // Another process may have looked at the clock a moment later.
    const std::uint32_t since = now - slot.used.load(std::memory_order_relaxed);
    const std::uint32_t age = since > kSoon ? 0 : since;
    if (oldest.set == nullptr || age > oldest.age) {
      oldest = {&set, seen, way, word, age, oldest.compared};
    }
  }
}

// The own set, then those beside it.
TableView::Victim TableView::oldest_of_many(shared::Set& own, std::uint32_t now) const {
  Victim oldest;
  const auto begin = static_cast<std::size_t>(&own - set_array_);
  const std::size_t most = std::min(sets_, kSampleSets);
  for (std::size_t i = 0; i < most && oldest.compared < kSample; ++i) {
    look_for_victim(set_array_[(begin + i) & (sets_ - 1)], now, oldest);
  }
  return oldest;
}

shared::Slot* TableView::slot_in_use(std::size_t number) const {
  return change::tag_of(word_at(number)) != 0 ? &slot_array_[number] : nullptr;
}

bool TableView::remove(const Place& place) {
  for (int i = 0; i < kTries; ++i) {
    const std::uint64_t seen = place.set->change.load(std::memory_order_acquire);
    if (change::phase_of(seen) != Phase::kIdle) {
      finish(*place.set);
      continue;
    }
    if (place.set->tags[place.way].load(std::memory_order_acquire) != place.word) return true;
    if (!announce(*place.set, seen, 0, place.way, Phase::kAsked)) continue;
    if (place.set->tags[place.way].load(std::memory_order_acquire) == place.word) return false;
    header_->keys.fetch_sub(1, std::memory_order_relaxed);
    return true;
  }
  return false;
}

void TableView::mark_group_of(const shared::Set& set) {
  const std::size_t group = static_cast<std::size_t>(&set - set_array_) / shared::kGroupSets;
  const std::uint64_t bit = std::uint64_t{1} << group % shared::kGroupsInWord;
  shared::Word& word = groups_[group / shared::kGroupsInWord];
  if ((word.load(std::memory_order_relaxed) & bit) == 0) {
    word.fetch_or(bit, std::memory_order_relaxed);
  }
}

std::uint64_t TableView::keys_in_group(std::size_t group) const {
  const std::size_t begin = group * shared::kGroupSets;
  std::uint64_t count = 0;
  for (std::size_t i = begin; i < std::min(begin + shared::kGroupSets, sets_); ++i) {
    for (const shared::Word& tag : set_array_[i].tags) {
      count += change::tag_of(tag.load(std::memory_order_relaxed)) != 0 ? 1U : 0U;
    }
  }
  return count;
}

void TableView::recount() {
  constexpr std::size_t kSetsInWord = shared::kGroupSets * shared::kGroupsInWord;
  std::uint64_t before = header_->keys.load(std::memory_order_relaxed);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i * kSetsInWord < sets_; ++i) {
    std::uint64_t marked = groups_[i].load(std::memory_order_relaxed);
    for (; marked != 0; marked &= marked - 1) {
      const auto bit = static_cast<std::size_t>(std::countr_zero(marked));
      count += keys_in_group(i * shared::kGroupsInWord + bit);
    }
  }
  header_->keys.compare_exchange_strong(before, count, std::memory_order_relaxed);
}

}  // namespace headgate::quota
