// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/judge.h"

#include <algorithm>
#include <limits>

#include "quota/auto_limit.h"
#include "quota/fixed_window.h"
#include "quota/gcra.h"
#include "quota/gradient2_limit.h"
#include "quota/key.h"
#include "quota/semaphore.h"

namespace headgate::quota {
namespace {

using config::QuotaAlgorithm;
using std::chrono::nanoseconds;

// Whoever is refused this often in a row, and again so often, is told to wait twice as long, …
constexpr std::uint32_t kPatience = 8;
constexpr std::uint32_t kMostDoublings = 3;  // … at most so many times.

std::uint64_t to_ns(std::chrono::milliseconds time) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
}

// The longest time that nanoseconds can say, less what may be added to it.
nanoseconds duration(std::uint64_t ns) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max() / 4;
  return nanoseconds(static_cast<std::int64_t>(std::min(ns, kMost)));
}

Gcra gcra_of(const config::QuotaLimit& settings) {
  return Gcra::make(settings.requests, to_ns(settings.per), settings.burst);
}

FixedWindow window_of(const config::QuotaLimit& settings) {
  return {to_ns(settings.per), settings.requests};
}

// What a request makes of a state: the verdict, and the next state, if that is to be stored.
struct Step {
  Verdict verdict;
  std::uint64_t next = 0;
};

Step step(const Gcra& gcra, std::uint64_t tat, std::uint64_t hits, const Moment& now) {
  const Gcra::Outcome outcome = gcra.judge(tat, to_ticks(now.steady_ns), hits);
  Step step;
  step.verdict.is_over = !outcome.is_admitted;
  step.verdict.remaining = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(outcome.left, std::numeric_limits<std::uint32_t>::max()));
  step.verdict.until_reset = duration(quota::to_ns(outcome.until_full));
  if (outcome.retry_after == Gcra::kNever) {
    step.verdict.retry_after = Verdict::kNever;
  } else {
    step.verdict.retry_after = duration(quota::to_ns(outcome.retry_after));
  }
  step.next = outcome.is_admitted ? outcome.next : tat;
  return step;
}

Step step(const FixedWindow& window, std::uint64_t state, std::uint64_t hits, const Moment& now) {
  const FixedWindow::Outcome outcome = window.judge(state, now.wall_ns, hits);
  Step step;
  step.verdict.is_over = !outcome.is_admitted;
  step.verdict.remaining = outcome.left;
  step.verdict.until_reset = duration(outcome.until_reset_ns);
  if (!outcome.is_admitted) {
    step.verdict.retry_after = outcome.is_impossible ? Verdict::kNever : step.verdict.until_reset;
  }
  step.next = outcome.counted;
  return step;
}

template <typename Algorithm>
Judged judge_rate(const Algorithm& algorithm, shared::Word* state, std::uint64_t hits,
                  const Moment& now, Counting counting) {
  Judged judged;
  std::uint64_t before = state != nullptr ? state->load(std::memory_order_relaxed) : 0;
  while (true) {
    Step done = step(algorithm, before, hits, now);
    const bool counts =
        counting == Counting::kAll || (counting == Counting::kAdmitted && !done.verdict.is_over);
    if (!counts || state == nullptr || done.next == before) {
      // What is not counted takes nothing away.
      if (!counts) done.verdict.remaining = step(algorithm, before, 0, now).verdict.remaining;
      judged.verdict = done.verdict;
      judged.counted = before;
      return judged;
    }
    if (state->compare_exchange_weak(before, done.next, std::memory_order_relaxed)) {
      judged.verdict = done.verdict;
      judged.counted = done.next;
      return judged;
    }
  }
}

std::uint32_t permits_in_use(const shared::Slot* slot) {
  if (slot == nullptr) return 0;
  return Semaphore::count_of(slot->in_flight.load(std::memory_order_acquire));
}

std::uint32_t initial_permits(const config::QuotaLimit& settings) {
  const std::uint32_t initial =
      settings.algorithm == QuotaAlgorithm::kAuto ? AutoLimit::kInitial : Gradient2Limit::kInitial;
  return std::clamp(initial, settings.floor, settings.ceiling);
}

}  // namespace

Key key_of(const Limit& limit, const std::vector<Entry>& entries, std::uint64_t seed) {
  Key key;
  KeyHash hash(seed, limit.identity);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto shared = limit.shared_values.find(i);
    const std::string_view value =
        shared != limit.shared_values.end() ? shared->second : entries[i].value;
    hash.add(value);
    if (i != 0 && key.label.size() < shared::kLabelBytes) key.label += ", ";
    key.label += value.substr(0, shared::kLabelBytes);
  }
  key.fingerprint = hash.finish();
  return key;
}

Judged judge(const Limit& limit, TableView& table, const Key& key, std::uint64_t hits,
             const Moment& now, Counting counting) {
  Judged judged;
  if (limit.settings.is_unlimited) {
    judged.verdict.remaining = std::numeric_limits<std::uint32_t>::max();
    return judged;
  }
  const bool looks_only = counting == Counting::kNone || hits == 0;
  const Place place =
      looks_only ? table.find(key.fingerprint)
                 : table.find_or_insert(key.fingerprint, now.steady_ns,
                                        static_cast<std::uint32_t>(limit.identity), key.label);
  shared::Word* const state = place ? &place.slot->state : nullptr;
  switch (limit.settings.algorithm) {
    case QuotaAlgorithm::kFixedWindow:
      judged = judge_rate(window_of(limit.settings), state, hits, now, counting);
      break;
    case QuotaAlgorithm::kGcra:
      judged = judge_rate(gcra_of(limit.settings), state, hits, now, counting);
      break;
    case QuotaAlgorithm::kConcurrency:
    case QuotaAlgorithm::kAuto:
    case QuotaAlgorithm::kGradient2:
      // Who asks so wants to know whether there is room; a permit is had by acquire().
      judged.verdict =
          verdict_on(permits_in_use(place.slot), permits_of(limit.settings, place.slot));
      break;
  }
  judged.has_no_room = !place && !looks_only;
  if (looks_only || !place) return judged;
  judged.place = place;
  note(*place.slot, judged.verdict, now);
  return judged;
}

void note(shared::Slot& slot, Verdict& verdict, const Moment& now) {
  TableView::touch(slot, now.steady_ns);
  slot.hits.fetch_add(1, std::memory_order_relaxed);
  if (!verdict.is_over) {
    if (slot.streak.load(std::memory_order_relaxed) != 0) {
      slot.streak.store(0, std::memory_order_relaxed);
    }
    return;
  }
  slot.refused.fetch_add(1, std::memory_order_relaxed);
  const std::uint32_t streak = slot.streak.fetch_add(1, std::memory_order_relaxed);
  if (verdict.retry_after == Verdict::kNever) return;
  verdict.retry_after *= 1 << std::min(streak / kPatience, kMostDoublings);
}

bool is_concurrency(const Limit& limit) {
  return !limit.settings.is_unlimited && limit.settings.algorithm >= QuotaAlgorithm::kConcurrency;
}

bool is_adaptive(const config::QuotaLimit& settings) {
  return settings.algorithm == QuotaAlgorithm::kAuto ||
         settings.algorithm == QuotaAlgorithm::kGradient2;
}

// Any process may have written the slot: it is kept in its bounds here.
std::uint32_t permits_of(const config::QuotaLimit& settings, const shared::Slot* slot) {
  if (settings.algorithm == QuotaAlgorithm::kConcurrency) return settings.requests;
  const std::uint64_t said = slot != nullptr ? slot->state.load(std::memory_order_relaxed) : 0;
  if (said == 0) return initial_permits(settings);
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(said, settings.floor, settings.ceiling));
}

Verdict verdict_on(std::uint32_t taken, std::uint32_t permits) {
  Verdict verdict;
  verdict.is_over = taken >= permits;
  verdict.remaining = permits - std::min(taken, permits);
  if (verdict.is_over) verdict.retry_after = permits == 0 ? Verdict::kNever : kPermitHint;
  return verdict;
}

void refund(const Limit& limit, const Judged& judged, std::uint64_t hits) {
  if (!judged.place || judged.verdict.is_over || !judged.place.is_still_there()) return;
  shared::Word& state = judged.place.slot->state;
  std::uint64_t before = state.load(std::memory_order_relaxed);
  std::uint64_t after = before;
  do {
    if (limit.settings.algorithm == QuotaAlgorithm::kFixedWindow) {
      after = FixedWindow::refund(before, judged.counted, hits);
    } else if (limit.settings.algorithm == QuotaAlgorithm::kGcra) {
      after = gcra_of(limit.settings).refund(before, hits);
    }
  } while (!state.compare_exchange_weak(before, after, std::memory_order_relaxed));
}

}  // namespace headgate::quota
