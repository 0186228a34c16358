// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "daemon/quota/account.h"
#include "daemon/quota/engine_state.h"
#include "quota/semaphore.h"

namespace headgate::quota {

Result<std::vector<KeyUse>> Engine::top(const std::string& domain_name, std::size_t count) const {
  const auto now = policy();
  const auto found = now->domains.find(domain_name);
  if (found == now->domains.end()) {
    return fail(ErrorCode::kNotFound, "there is no quota domain '" + domain_name + "'");
  }
  std::unordered_map<std::uint32_t, const Limit*> limits;
  for (const auto& limit : found->second.limits) {
    limits[static_cast<std::uint32_t>(limit->identity)] = limit.get();
  }
  const TableView& table = found->second.account->table();
  const auto read = [](const auto& word) { return word.load(std::memory_order_relaxed); };
  std::vector<KeyUse> uses;
  for (std::size_t number = 0; number < table.slots(); ++number) {
    const shared::Slot* const slot = table.slot_in_use(number);
    if (slot == nullptr) continue;
    const auto limit = limits.find(read(slot->rule));
    KeyUse use;
    use.rule = limit != limits.end() ? limit->second->name : "override";
    for (const auto& byte : slot->label) {
      const char c = read(byte);
      if (c == '\0') break;
      use.label += c;
    }
    use.hits = read(slot->hits);
    use.refused = read(slot->refused);
    use.in_flight = Semaphore::count_of(read(slot->in_flight));
    uses.push_back(std::move(use));
  }
  const std::size_t kept = std::min(count, uses.size());
  std::partial_sort(uses.begin(), uses.begin() + static_cast<std::ptrdiff_t>(kept), uses.end(),
                    [](const KeyUse& a, const KeyUse& b) { return a.hits > b.hits; });
  uses.resize(kept);
  return uses;
}

Engine::KeyCount Engine::keys(const Domain& domain) {
  const TableView& table = domain.account->table();
  return {table.keys(), table.evicted(), table.max_keys()};
}

}  // namespace headgate::quota
