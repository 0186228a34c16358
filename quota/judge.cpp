// SPDX-License-Identifier: Apache-2.0
#include "quota/judge.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "quota/auto_limit.h"
#include "quota/gradient2_limit.h"
#include "quota/key.h"
#include "quota/semaphore.h"

namespace headgate::quota {
namespace {

using std::chrono::nanoseconds;

// Whoever is refused this often in a row, and again so often, is told to wait twice as long, …
constexpr std::uint32_t kPatience = 8;
constexpr std::uint32_t kMostDoublings = 3;  // … at most so many times.

// A key may give way to another one in the moment in which it is asked for; not again and again.
constexpr int kLendTries = 100;

std::uint64_t to_ns(std::chrono::milliseconds time) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
}

// The longest time that nanoseconds can say, less what may be added to it.
nanoseconds duration(std::uint64_t ns) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max() / 4;
  return nanoseconds(static_cast<std::int64_t>(std::min(ns, kMost)));
}

// What a request makes of a state: the ruling, and the next state, if that is to be stored. What
// they return is written where it stays: to copy it costs more than to find it out.
std::uint64_t step(const Gcra& gcra, std::uint64_t tat, std::uint64_t hits, const Moment& now,
                   Ruling& ruling) {
  const Gcra::Outcome outcome = gcra.judge(tat, to_ticks(now.steady_ns), hits);
  ruling.is_over = !outcome.is_admitted;
  ruling.remaining = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(outcome.left, std::numeric_limits<std::uint32_t>::max()));
  ruling.until_reset = duration(quota::to_ns(outcome.until_full));
  ruling.retry_after = outcome.retry_after == Gcra::kNever
                           ? Ruling::kNever
                           : duration(quota::to_ns(outcome.retry_after));
  return outcome.is_admitted ? outcome.next : tat;
}

std::uint64_t step(const FixedWindow& window, std::uint64_t state, std::uint64_t hits,
                   const Moment& now, Ruling& ruling) {
  const FixedWindow::Outcome outcome = window.judge(state, now.wall_ns, hits);
  ruling.is_over = !outcome.is_admitted;
  ruling.remaining = outcome.left;
  ruling.until_reset = duration(outcome.until_reset_ns);
  ruling.retry_after = outcome.is_admitted     ? nanoseconds(0)
                       : outcome.is_impossible ? Ruling::kNever
                                               : ruling.until_reset;
  return outcome.counted;
}

template <typename Rate>
void judge_rate(const Rate& rate, shared::Word* state, std::uint64_t hits, const Moment& now,
                Counting counting, Judged& judged) {
  std::uint64_t before = state != nullptr ? state->load(std::memory_order_relaxed) : 0;
  while (true) {
    const std::uint64_t next = step(rate, before, hits, now, judged.ruling);
    const bool counts =
        counting == Counting::kAll || (counting == Counting::kAdmitted && !judged.ruling.is_over);
    if (!counts || state == nullptr || next == before) {
      // What is not counted takes nothing away.
      if (!counts) {
        Ruling as_it_is;
        step(rate, before, 0, now, as_it_is);
        judged.ruling.remaining = as_it_is.remaining;
      }
      judged.counted = before;
      return;
    }
    if (state->compare_exchange_weak(before, next, std::memory_order_relaxed)) {
      judged.counted = next;
      return;
    }
  }
}

std::uint32_t permits_in_use(const shared::Slot* slot) {
  if (slot == nullptr) return 0;
  return Semaphore::count_of(slot->in_flight.load(std::memory_order_acquire));
}

std::uint32_t initial_permits(const LimitSettings& settings) {
  const std::uint32_t initial =
      settings.algorithm == Algorithm::kAuto ? AutoLimit::kInitial : Gradient2Limit::kInitial;
  return std::clamp(initial, settings.floor, settings.ceiling);
}

// That `taken` permits of so many are in use.
Ruling ruling_on(std::uint32_t taken, std::uint32_t permits) {
  Ruling ruling;
  ruling.is_over = taken >= permits;
  ruling.allowed = permits;
  ruling.remaining = permits - std::min(taken, permits);
  if (ruling.is_over) ruling.retry_after = permits == 0 ? Ruling::kNever : kPermitHint;
  return ruling;
}

// Values that share a threshold are one.
std::string_view value_in(const LimitCore& limit, EntrySpan entries, std::size_t level) {
  if (limit.shared_values.empty()) return entries[level].value;
  const auto shared = limit.shared_values.find(level);
  return shared != limit.shared_values.end() ? std::string_view(shared->second)
                                             : entries[level].value;
}

// For people: "alice, /login". As much of it as is kept.
class Label {
 public:
  Label(const LimitCore& limit, EntrySpan entries) {
    for (std::size_t i = 0; i < entries.size() && size_ < bytes_.size(); ++i) {
      if (i != 0) add(", ");
      add(value_in(limit, entries, i));
    }
  }
  std::string_view text() const { return {bytes_.data(), size_}; }

 private:
  void add(std::string_view text) {
    size_ += text.copy(bytes_.data() + size_, bytes_.size() - size_);
  }

  std::array<char, shared::kLabelBytes> bytes_;
  std::size_t size_ = 0;
};

// Most keys are there already.
void find_place(const LimitCore& limit, TableView& table, const Key& key, const Moment& now,
                Place& place) {
  place = table.find(key.fingerprint);
  if (place) [[likely]] {
    return;
  }
  place = table.find_or_insert(key.fingerprint, now.steady_ns,
                               static_cast<std::uint32_t>(limit.identity),
                               Label(limit, key.entries).text());
}

bool is_near(const LimitCore& limit, const Ruling& ruling) {
  const LimitSettings& settings = limit.settings;
  if (settings.is_unlimited || ruling.is_over) return false;
  const std::uint64_t most =
      settings.algorithm == Algorithm::kGcra ? settings.burst : ruling.allowed;
  return std::uint64_t{ruling.remaining} * 5 < most;
}

// Notes in the slot that its key was asked for; makes whoever insists wait longer.
void note(shared::Slot& slot, Ruling& ruling, const Moment& now) {
  TableView::touch(slot, now.steady_ns);
  slot.hits.fetch_add(1, std::memory_order_relaxed);
  if (!ruling.is_over) {
    if (slot.streak.load(std::memory_order_relaxed) != 0) {
      slot.streak.store(0, std::memory_order_relaxed);
    }
    return;
  }
  slot.refused.fetch_add(1, std::memory_order_relaxed);
  const std::uint32_t streak = slot.streak.fetch_add(1, std::memory_order_relaxed);
  if (ruling.retry_after == Ruling::kNever) return;
  ruling.retry_after *= 1 << std::min(streak / kPatience, kMostDoublings);
}

}  // namespace

void LimitCore::prepare() {
  const std::uint64_t per_ns = to_ns(settings.per);
  gcra = Gcra::make(settings.requests, per_ns, settings.burst);
  window = {std::max<std::uint64_t>(per_ns, 1), settings.requests};
}

Key key_of(const LimitCore& limit, EntrySpan entries, std::uint64_t seed) {
  KeyHash hash(seed, limit.identity);
  for (std::size_t i = 0; i < entries.size(); ++i) hash.add(value_in(limit, entries, i));
  return {hash.finish(), entries};
}

Judged judge(const LimitCore& limit, TableView& table, const Key& key, std::uint64_t hits,
             const Moment& now, Counting counting) {
  Judged judged;
  if (limit.settings.is_unlimited) {
    judged.ruling.remaining = std::numeric_limits<std::uint32_t>::max();
    return judged;
  }
  const bool looks_only = counting == Counting::kNone || hits == 0;
  Place& place = judged.place;
  if (looks_only) {
    place = table.find(key.fingerprint);
  } else {
    find_place(limit, table, key, now, place);
  }
  shared::Slot* const slot = place.slot;
  shared::Word* const state = slot != nullptr ? &slot->state : nullptr;
  judged.ruling.allowed = limit.settings.requests;
  switch (limit.settings.algorithm) {
    case Algorithm::kFixedWindow:
      judge_rate(limit.window, state, hits, now, counting, judged);
      break;
    case Algorithm::kGcra:
      judge_rate(limit.gcra, state, hits, now, counting, judged);
      break;
    case Algorithm::kConcurrency:
    case Algorithm::kAuto:
    case Algorithm::kGradient2:
      judged.ruling = ruling_on(permits_in_use(slot), permits_of(limit.settings, slot));
      break;
  }
  if (looks_only) {
    place = {};
  } else if (slot == nullptr) {
    judged.has_no_room = true;
  } else {
    note(*slot, judged.ruling, now);
  }
  return judged;
}

Counted counted(const LimitCore& limit, const Judged& judged) {
  const bool is_refused = judged.ruling.is_over && limit.is_enforced;
  if (is_refused) return {Counted::As::kRefused};
  if (judged.has_no_room) return {Counted::As::kUncounted, is_near(limit, judged.ruling)};
  if (judged.ruling.is_over) return {Counted::As::kShadow};
  return {Counted::As::kAdmitted, is_near(limit, judged.ruling)};
}

// Any process may have written the slot: it is kept in its bounds here.
std::uint32_t permits_of(const LimitSettings& settings, const shared::Slot* slot) {
  if (settings.algorithm == Algorithm::kConcurrency) return settings.requests;
  const std::uint64_t said = slot != nullptr ? slot->state.load(std::memory_order_relaxed) : 0;
  if (said == 0) return initial_permits(settings);
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(said, settings.floor, settings.ceiling));
}

void refund(const LimitCore& limit, const Judged& judged, std::uint64_t hits) {
  if (!judged.place || judged.ruling.is_over) return;
  if (!judged.place.is_still_there()) return;
  shared::Word& state = judged.place.slot->state;
  std::uint64_t before = state.load(std::memory_order_relaxed);
  std::uint64_t after = before;
  do {
    if (limit.settings.algorithm == Algorithm::kFixedWindow) {
      after = FixedWindow::refund(before, judged.counted, hits);
    } else if (limit.settings.algorithm == Algorithm::kGcra) {
      after = limit.gcra.refund(before, hits);
    }
  } while (!state.compare_exchange_weak(before, after, std::memory_order_relaxed));
}

Judged lend(const LimitCore& limit, TableView& table, Semaphore& semaphore, const Key& key,
            std::size_t lease, std::uint64_t end_ns, const Moment& now) {
  Judged judged;
  for (int i = 0; i < kLendTries; ++i) {
    Place place;
    find_place(limit, table, key, now, place);
    if (!place) break;
    const std::uint32_t permits = permits_of(limit.settings, place.slot);
    const bool is_taken =
        semaphore.take(table.number_of(place), lease, permits, end_ns) == Semaphore::Taken::kYes;
    if (is_taken && !place.is_still_there()) {
      semaphore.give(lease);
      continue;
    }
    const std::uint32_t in_use = permits_in_use(place.slot);
    judged.ruling = ruling_on(is_taken ? in_use : std::max(in_use, permits), permits);
    judged.ruling.is_over = !is_taken;
    if (is_taken) judged.ruling.retry_after = nanoseconds(0);
    judged.place = place;
    judged.counted = in_use;
    if (is_taken) judged.life = semaphore.life_of(lease);
    note(*place.slot, judged.ruling, now);
    return judged;
  }
  judged.ruling.is_over = true;
  judged.ruling.allowed = permits_of(limit.settings, nullptr);
  judged.ruling.retry_after = kPermitHint;
  judged.has_no_room = true;
  return judged;
}

}  // namespace headgate::quota
