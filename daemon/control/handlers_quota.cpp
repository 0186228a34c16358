// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/error.h"
#include "daemon/control/handlers.h"
#include "daemon/control/messages.h"
#include "daemon/control/status_code.h"

namespace headgate::control {
namespace {

constexpr std::uint32_t kDefaultKeys = 100;
constexpr std::uint32_t kMaxKeys = 100'000;
constexpr std::size_t kShownDomains = 8;

// By name, so that the same state always looks the same.
std::vector<const quota::Domain*> domains_of(const quota::Policy& policy) {
  std::vector<const quota::Domain*> domains;
  domains.reserve(policy.domains.size());
  for (const auto& [name, domain] : policy.domains) domains.push_back(&domain);
  std::sort(domains.begin(), domains.end(),
            [](const quota::Domain* a, const quota::Domain* b) { return a->name < b->name; });
  return domains;
}

Error no_domain(const quota::Policy& policy, const std::string& name) {
  std::string message = "no quota domain " + config::quote(name) + "; ";
  const auto domains = domains_of(policy);
  if (domains.empty()) {
    message += "the configuration has none";
  } else if (domains.size() > kShownDomains) {
    message += "headgatectl quota list names the " + std::to_string(domains.size()) + " there are";
  } else {
    std::string names;
    for (const quota::Domain* domain : domains) {
      names += (names.empty() ? "" : ", ") + config::quote(domain->name);
    }
    message += "there are: " + names;
  }
  return {ErrorCode::kNotFound, std::move(message), nullptr};
}

// The one that is asked for, or all of them.
Result<std::vector<const quota::Domain*>> find_domains(const quota::Policy& policy,
                                                       const std::string& name) {
  if (name.empty()) return domains_of(policy);
  const auto found = policy.domains.find(name);
  if (found == policy.domains.end()) return tl::unexpected(no_domain(policy, name));
  return std::vector{&found->second};
}

void fill(v1::QuotaDomain* message, const quota::Domain& domain, const quota::Engine& engine) {
  const quota::Engine::KeyCount count = quota::Engine::keys(domain);
  message->set_name(domain.name);
  message->set_keys(count.keys);
  message->set_max_keys(count.max_keys);
  message->set_evicted(count.evicted);
  message->set_check_all_then_commit(domain.check_all_then_commit);
  const auto in_flight = engine.in_flight(domain);
  for (const auto& limit : domain.limits) {
    v1::QuotaLimit* one = message->add_limits();
    control::fill(one, *limit);
    const auto taken = in_flight.find(limit->name);
    if (taken != in_flight.end()) one->set_in_flight(taken->second);
  }
  for (const config::ClientQuota& quota : domain.clients)
    control::fill(message->add_clients(), quota);
}

}  // namespace

grpc::Status Handlers::quota_domains(const v1::QuotaDomainsRequest& request,
                                     v1::QuotaDomainsResponse* response) const {
  const quota::Engine& engine = manager_.quotas();
  const auto policy = engine.policy();
  const auto domains = find_domains(*policy, request.domain());
  if (!domains) return to_status(domains.error());
  for (const quota::Domain* domain : *domains) fill(response->add_domains(), *domain, engine);
  return grpc::Status::OK;
}

grpc::Status Handlers::quota_check(const v1::QuotaCheckRequest& request,
                                   v1::QuotaCheckResponse* response) {
  quota::Request question;
  question.domain = request.domain();
  question.hits = request.cost();
  quota::Descriptor& descriptor = question.descriptors.emplace_back();
  for (const v1::QuotaEntry& entry : request.entries()) {
    descriptor.entries.push_back({entry.key(), entry.value()});
  }
  quota::Engine& engine = manager_.quotas();
  const auto decision = request.take() ? engine.check(question) : engine.look(question);
  if (!decision) return to_status(decision.error());
  // A service is let through then; whoever asks here has mistyped it.
  if (!decision->policy->domains.contains(request.domain())) {
    return to_status(no_domain(*decision->policy, request.domain()));
  }
  fill(response, decision->verdicts.front());
  return grpc::Status::OK;
}

grpc::Status Handlers::quota_top(const v1::QuotaTopRequest& request,
                                 v1::QuotaTopResponse* response) const {
  const quota::Engine& engine = manager_.quotas();
  const auto policy = engine.policy();
  const auto domains = find_domains(*policy, request.domain());
  if (!domains) return to_status(domains.error());
  const std::size_t limit =
      request.limit() == 0 ? kDefaultKeys : std::min(request.limit(), kMaxKeys);
  std::vector<std::pair<const quota::Domain*, quota::KeyUse>> keys;
  for (const quota::Domain* domain : *domains) {
    for (quota::KeyUse& use : engine.top(*domain, limit)) keys.emplace_back(domain, std::move(use));
    std::stable_sort(keys.begin(), keys.end(),
                     [](const auto& a, const auto& b) { return a.second.hits > b.second.hits; });
    keys.resize(std::min(keys.size(), limit));
  }
  for (const auto& [domain, use] : keys) {
    v1::QuotaKey* key = response->add_keys();
    key->set_domain(domain->name);
    control::fill(key, use);
  }
  return grpc::Status::OK;
}

}  // namespace headgate::control
