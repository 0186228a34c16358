// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "daemon/quota/account.h"
#include "daemon/quota/engine_state.h"
#include "daemon/quota/validate.h"
#include "quota/semaphore.h"

namespace headgate::quota {
namespace {

// By what a slot says of its limit.
std::unordered_map<std::uint32_t, const Limit*> limits_by_slot_rule(const Domain& domain) {
  std::unordered_map<std::uint32_t, const Limit*> limits;
  for (const auto& limit : domain.limits) {
    limits[static_cast<std::uint32_t>(limit->identity)] = limit.get();
  }
  return limits;
}

template <typename Word>
auto read(const Word& word) {
  return word.load(std::memory_order_relaxed);
}

// Whoever maps the memory may have written it, or it was cut in the middle of a character: it goes
// into messages and metrics, which are text.
std::string label_of(const shared::Slot& slot) {
  std::string label;
  for (const auto& byte : slot.label) {
    const char c = read(byte);
    if (c == '\0') break;
    label += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return label;
}

bool is_used_more(const KeyUse& a, const KeyUse& b) {
  return a.hits > b.hits;
}

// Of the limits that `wants` says; null is one that came with a request. The table can have
// millions of keys: no more than `count` are ever held.
template <typename Wants>
std::vector<KeyUse> uses_of(const Domain& domain, std::size_t count, const Wants& wants) {
  const auto limits = limits_by_slot_rule(domain);
  const TableView& table = domain.account->table();
  std::vector<KeyUse> uses;  // a heap, the one with the fewest hits first
  for (std::size_t number = 0; number < table.slots() && count > 0; ++number) {
    const shared::Slot* const slot = table.slot_in_use(number);
    if (slot == nullptr) continue;
    const auto found = limits.find(read(slot->rule));
    const Limit* const limit = found != limits.end() ? found->second : nullptr;
    if (!wants(limit)) continue;
    const std::uint64_t hits = read(slot->hits);
    if (uses.size() == count) {
      if (hits <= uses.front().hits) continue;
      std::pop_heap(uses.begin(), uses.end(), is_used_more);
      uses.pop_back();
    }
    uses.push_back({limit != nullptr ? limit->name : "override", label_of(*slot), hits,
                    read(slot->refused), Semaphore::count_of(read(slot->in_flight))});
    std::push_heap(uses.begin(), uses.end(), is_used_more);
  }
  std::sort_heap(uses.begin(), uses.end(), is_used_more);
  return uses;
}

}  // namespace

Result<Decision> Engine::look(const Request& request) const {
  if (auto good = validate(request); !good) return tl::unexpected(good.error());
  Decision decision;
  const Domain* const domain = state_->begin(request, decision);
  if (domain == nullptr) return decision;
  const Moment now = state_->now();
  for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
    Verdict& verdict = decision.verdicts[i];
    if (verdict.limit == nullptr) continue;
    take_over(verdict,
              state_->judge_one(*domain, request, i, *verdict.limit, now, Counting::kNone).ruling);
  }
  State::end(decision);
  return decision;
}

Result<Engine::LimitsNow> Engine::limits(const Request& request) const {
  if (auto good = validate_what_is_there(request); !good) return tl::unexpected(good.error());
  Decision decision;
  const Domain* const domain = state_->begin(request, decision);
  LimitsNow now{decision.policy, domain != nullptr, {}};
  if (domain != nullptr && request.descriptors.empty()) {
    for (const auto& limit : domain->limits) now.limits.push_back({limit.get(), 0});
    return now;
  }
  for (std::size_t i = 0; i < decision.verdicts.size(); ++i) {
    const Limit* const limit = decision.verdicts[i].limit;
    LimitNow& one = now.limits.emplace_back(LimitNow{limit, 0});
    if (limit == nullptr || !is_concurrency(limit->settings)) continue;
    const TableView& table = domain->account->table();
    const Key key = key_of(*limit, request.descriptors[i].entries, table.seed());
    one.permits = permits_of(limit->settings, table.find(key.fingerprint).slot);
  }
  return now;
}

std::vector<KeyUse> Engine::top(const Domain& domain, std::size_t count) const {
  return uses_of(domain, count, [](const Limit*) { return true; });
}

std::vector<KeyUse> Engine::detailed_keys(const Domain& domain, std::size_t count) const {
  const auto wants = [](const Limit* limit) {
    return limit != nullptr && (limit->detailed_metric || limit->value_to_metric);
  };
  const bool is_wanted = std::any_of(domain.limits.begin(), domain.limits.end(),
                                     [&](const auto& limit) { return wants(limit.get()); });
  if (!is_wanted) return {};
  return uses_of(domain, count, wants);
}

std::map<std::string, std::uint64_t> Engine::in_flight(const Domain& domain) const {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& limit : domain.limits) {
    if (is_concurrency(limit->settings)) counts[limit->name];
  }
  const auto limits = limits_by_slot_rule(domain);
  for (const auto& [rule, count] : domain.account->in_flight()) {
    const auto found = limits.find(rule);
    if (found != limits.end()) counts[found->second->name] += count;
  }
  return counts;
}

Engine::KeyCount Engine::keys(const Domain& domain) {
  const TableView& table = domain.account->table();
  return {table.keys(), table.evicted(), table.max_keys()};
}

}  // namespace headgate::quota
