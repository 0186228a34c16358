// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "daemon/quota/account.h"
#include "daemon/quota/engine_state.h"

namespace headgate::quota {
namespace {

constexpr std::uint64_t kMostAtOnce = 1'000'000'000'000;

// So that nobody makes the counters begin anew.
bool is_sane(const TallyCounts& counts) {
  return std::max({counts.admitted, counts.refused, counts.shadow, counts.uncounted,
                   counts.near_limit}) <= kMostAtOnce;
}

// Calls `use` with the domain, and each item with its limit.
template <typename Item, typename Use>
void for_each(const Policy& policy, std::string_view domain, const std::vector<Item>& items,
              const Use& use) {
  const auto found = policy.domains.find(std::string(domain));
  if (found == policy.domains.end()) return;
  for (const Item& item : items) {
    const auto limit = found->second.by_identity.find(item.identity);
    if (limit != found->second.by_identity.end()) use(found->second, *limit->second, item);
  }
}

}  // namespace

void Engine::note(std::string_view domain, const std::vector<attach::Tally>& tallies) {
  for_each(*policy(), domain, tallies, [](const Domain&, const Limit& limit, const auto& one) {
    if (is_sane(one.counts)) limit.tally->add(one.counts);
  });
}

void Engine::note(std::string_view domain, const std::vector<attach::Sample>& samples) {
  for_each(*policy(), domain, samples, [](const Domain& of, const Limit& limit, const auto& one) {
    if (is_adaptive(limit.settings))
      of.account->adaptive().add(one.key, limit.settings, one.sample);
  });
}

void Engine::note(std::string_view domain, const std::vector<attach::Refusal>& refusals) {
  const Moment now = state_->now();
  for_each(*policy(), domain, refusals, [&](const Domain& of, const Limit& limit, const auto& one) {
    state_->note_refusal(of, limit, one.value, now);
  });
}

}  // namespace headgate::quota
