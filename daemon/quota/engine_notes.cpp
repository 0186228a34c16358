// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "daemon/quota/account.h"
#include "daemon/quota/engine_state.h"

namespace headgate::quota {
namespace {

struct Found {
  const Domain* domain = nullptr;
  const Limit* limit = nullptr;
};

Found find(const Policy& policy, std::string_view domain_name, std::uint64_t identity) {
  const auto domain = policy.domains.find(std::string(domain_name));
  if (domain == policy.domains.end()) return {};
  const auto limit = domain->second.by_identity.find(identity);
  if (limit == domain->second.by_identity.end()) return {};
  return {&domain->second, limit->second};
}

}  // namespace

void Engine::note_tally(std::string_view domain, std::uint64_t limit, const TallyCounts& counts) {
  const auto now = policy();
  const Found found = find(*now, domain, limit);
  if (found.limit != nullptr) found.limit->tally->add(counts);
}

void Engine::note_sample(std::string_view domain, std::uint64_t limit, const Fingerprint& key,
                         const LimitSample& sample) {
  const auto now = policy();
  const Found found = find(*now, domain, limit);
  if (found.limit == nullptr || !is_adaptive(found.limit->settings)) return;
  found.domain->account->adaptive().add(key, found.limit->settings, sample);
}

void Engine::note_refusal(std::string_view domain, std::uint64_t limit, std::string_view value) {
  const auto now = policy();
  const Found found = find(*now, domain, limit);
  if (found.limit == nullptr) return;
  state_->note_refusal(*found.domain, *found.limit, value, state_->now());
}

}  // namespace headgate::quota
