// SPDX-License-Identifier: Apache-2.0
#include "quota/judge.h"

#include <algorithm>
#include <limits>
#include <string>

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

// What a request makes of a state: the ruling, and the next state, if that is to be stored.
struct Step {
  Ruling ruling;
  std::uint64_t next = 0;
};

Step step(const Gcra& gcra, std::uint64_t tat, std::uint64_t hits, const Moment& now) {
  const Gcra::Outcome outcome = gcra.judge(tat, to_ticks(now.steady_ns), hits);
  Step step;
  step.ruling.is_over = !outcome.is_admitted;
  step.ruling.remaining = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(outcome.left, std::numeric_limits<std::uint32_t>::max()));
  step.ruling.until_reset = duration(quota::to_ns(outcome.until_full));
  if (outcome.retry_after == Gcra::kNever) {
    step.ruling.retry_after = Ruling::kNever;
  } else {
    step.ruling.retry_after = duration(quota::to_ns(outcome.retry_after));
  }
  step.next = outcome.is_admitted ? outcome.next : tat;
  return step;
}

Step step(const FixedWindow& window, std::uint64_t state, std::uint64_t hits, const Moment& now) {
  const FixedWindow::Outcome outcome = window.judge(state, now.wall_ns, hits);
  Step step;
  step.ruling.is_over = !outcome.is_admitted;
  step.ruling.remaining = outcome.left;
  step.ruling.until_reset = duration(outcome.until_reset_ns);
  if (!outcome.is_admitted) {
    step.ruling.retry_after = outcome.is_impossible ? Ruling::kNever : step.ruling.until_reset;
  }
  step.next = outcome.counted;
  return step;
}

template <typename Rate>
Judged judge_rate(const Rate& rate, shared::Word* state, std::uint64_t hits, const Moment& now,
                  Counting counting) {
  Judged judged;
  std::uint64_t before = state != nullptr ? state->load(std::memory_order_relaxed) : 0;
  while (true) {
    Step done = step(rate, before, hits, now);
    const bool counts =
        counting == Counting::kAll || (counting == Counting::kAdmitted && !done.ruling.is_over);
    if (!counts || state == nullptr || done.next == before) {
      // What is not counted takes nothing away.
      if (!counts) done.ruling.remaining = step(rate, before, 0, now).ruling.remaining;
      judged.ruling = done.ruling;
      judged.counted = before;
      return judged;
    }
    if (state->compare_exchange_weak(before, done.next, std::memory_order_relaxed)) {
      judged.ruling = done.ruling;
      judged.counted = done.next;
      return judged;
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

// For people: "alice, /login".
std::string label_of(const LimitCore& limit, EntrySpan entries) {
  std::string label;
  for (std::size_t i = 0; i < entries.size() && label.size() < shared::kLabelBytes; ++i) {
    if (i != 0) label += ", ";
    label += value_in(limit, entries, i).substr(0, shared::kLabelBytes);
  }
  return label;
}

// Most keys are there already.
Place place_for(const LimitCore& limit, TableView& table, const Key& key, const Moment& now) {
  if (const Place place = table.find(key.fingerprint)) return place;
  return table.find_or_insert(key.fingerprint, now.steady_ns,
                              static_cast<std::uint32_t>(limit.identity),
                              label_of(limit, key.entries));
}

bool is_near(const LimitCore& limit, const Ruling& ruling) {
  const LimitSettings& settings = limit.settings;
  if (settings.is_unlimited || ruling.is_over) return false;
  const std::uint64_t most =
      settings.algorithm == Algorithm::kGcra ? settings.burst : settings.requests;
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
  const Place place = looks_only ? table.find(key.fingerprint) : place_for(limit, table, key, now);
  shared::Word* const state = place ? &place.slot->state : nullptr;
  switch (limit.settings.algorithm) {
    case Algorithm::kFixedWindow:
      judged = judge_rate(limit.window, state, hits, now, counting);
      break;
    case Algorithm::kGcra:
      judged = judge_rate(limit.gcra, state, hits, now, counting);
      break;
    case Algorithm::kConcurrency:
    case Algorithm::kAuto:
    case Algorithm::kGradient2:
      judged.ruling = ruling_on(permits_in_use(place.slot), permits_of(limit.settings, place.slot));
      break;
  }
  judged.has_no_room = !place && !looks_only;
  if (looks_only || !place) return judged;
  judged.place = place;
  note(*place.slot, judged.ruling, now);
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
    const Place place = place_for(limit, table, key, now);
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
    note(*place.slot, judged.ruling, now);
    return judged;
  }
  judged.ruling.is_over = true;
  judged.ruling.retry_after = kPermitHint;
  judged.has_no_room = true;
  return judged;
}

}  // namespace headgate::quota
