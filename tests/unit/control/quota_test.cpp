// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "served.h"

namespace headgate::control {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;
using Stub = v1::Control::Stub;

config::QuotaRule rule(const std::string& key, const config::QuotaLimit& limit) {
  config::QuotaRule made;
  made.key = key;
  made.limit = limit;
  return made;
}

config::QuotaLimit per_day(std::uint32_t requests) {
  config::QuotaLimit limit;
  limit.algorithm = config::QuotaAlgorithm::kGcra;
  limit.requests = requests;
  limit.burst = requests;
  limit.per = std::chrono::hours(24);
  return limit;
}

config::QuotaLimit at_once(config::QuotaAlgorithm algorithm) {
  config::QuotaLimit limit;
  limit.algorithm = algorithm;
  limit.requests = 1;
  limit.floor = 9;
  limit.ceiling = 500;
  limit.lease_ttl = std::chrono::seconds(30);
  return limit;
}

config::QuotaDomain domain(const std::string& name, std::vector<config::QuotaRule> rules) {
  config::QuotaDomain made;
  made.name = name;
  made.descriptors = std::move(rules);
  return made;
}

// The calls about quotas, from a caller to the engine and back.
class Quota : public Served {
 protected:
  Quota() {
    config::QuotaRule users = rule("user", per_day(2));
    users.name = "by-user";
    users.penalty = config::Penalty{3, std::chrono::seconds(10), std::chrono::minutes(10), 2,
                                    std::chrono::hours(24)};
    config::QuotaRule shadow = rule("trial", per_day(0));
    shadow.shadow_mode = true;
    config::QuotaDomain api = domain("api", {users, shadow});
    api.descriptors.push_back(rule("job", at_once(config::QuotaAlgorithm::kConcurrency)));
    api.descriptors.push_back(rule("backend", at_once(config::QuotaAlgorithm::kAuto)));
    api.check_all_then_commit = true;
    api.max_keys = 64;
    config::ClientQuota quota;
    quota.user = config::ClientQuota::Whom::kDefault;
    quota.time_percent = 50;
    api.clients.push_back(quota);
    put_in_force({domain("zoo", {rule("user", per_day(1))}), api});
  }

  void put_in_force(std::vector<config::QuotaDomain> domains) {
    config::Quotas quotas;
    quotas.domains = std::move(domains);
    auto policy = manager.engine.prepare(quotas);
    ASSERT_TRUE(policy) << policy.error().to_string();
    manager.engine.put_in_force(*policy);
  }

  template <typename Request, typename Response>
  using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

  grpc::Status domains(const std::string& name, v1::QuotaDomainsResponse* response) const {
    v1::QuotaDomainsRequest request;
    request.set_domain(name);
    const Method<v1::QuotaDomainsRequest, v1::QuotaDomainsResponse> method = &Stub::QuotaDomains;
    return call(method, request, response);
  }
  grpc::Status check(const v1::QuotaCheckRequest& request, v1::QuotaCheckResponse* response) const {
    const Method<v1::QuotaCheckRequest, v1::QuotaCheckResponse> method = &Stub::QuotaCheck;
    return call(method, request, response);
  }
  grpc::Status top(const std::string& name, std::uint32_t limit,
                   v1::QuotaTopResponse* response) const {
    v1::QuotaTopRequest request;
    request.set_domain(name);
    request.set_limit(limit);
    const Method<v1::QuotaTopRequest, v1::QuotaTopResponse> method = &Stub::QuotaTop;
    return call(method, request, response);
  }
  v1::QuotaCheckResponse take(const v1::QuotaCheckRequest& request) const {
    v1::QuotaCheckResponse response;
    const grpc::Status status = check(request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
};

v1::QuotaCheckRequest request(const std::string& domain, const std::string& key,
                              const std::string& value, std::uint32_t cost, bool take) {
  v1::QuotaCheckRequest request;
  request.set_domain(domain);
  v1::QuotaEntry* entry = request.add_entries();
  entry->set_key(key);
  entry->set_value(value);
  request.set_cost(cost);
  request.set_take(take);
  return request;
}

TEST_F(Quota, DomainsTellOfEveryRule) {
  take(request("api", "user", "alice", 1, true));
  v1::QuotaDomainsResponse response;
  ASSERT_TRUE(domains("", &response).ok());
  ASSERT_EQ(response.domains_size(), 2);
  const v1::QuotaDomain& api = response.domains(0);
  EXPECT_EQ(api.name(), "api");
  EXPECT_EQ(response.domains(1).name(), "zoo");
  EXPECT_EQ(api.keys(), 1U);
  EXPECT_EQ(api.max_keys(), 64U);
  EXPECT_TRUE(api.check_all_then_commit());
  ASSERT_EQ(api.limits_size(), 4);
  EXPECT_EQ(api.limits(0).ShortDebugString(),
            "name: \"by-user\" path: \"user\" algorithm: \"gcra\" requests: 2 per_ms: 86400000 "
            "burst: 2 mode: \"enforce\" penalty: \"{ after: 3, within: 10s, deny_for: 10m, grow: "
            "2, at_most: 1d }\" admitted: 1");
  EXPECT_EQ(api.limits(1).mode(), "shadow");
  EXPECT_EQ(api.limits(2).algorithm(), "fixed");
  EXPECT_TRUE(api.limits(2).has_in_flight());
  EXPECT_EQ(api.limits(3).algorithm(), "auto");
  EXPECT_EQ(api.limits(3).floor() + api.limits(3).ceiling(), 509U);
  ASSERT_EQ(api.clients_size(), 1);
  EXPECT_EQ(api.clients(0).ShortDebugString(), "user: \"<default>\" time_percent: 50");
}

TEST_F(Quota, AnUnknownDomainIsNotFoundAndTheOthersAreNamed) {
  v1::QuotaDomainsResponse response;
  ASSERT_TRUE(domains("zoo", &response).ok());
  EXPECT_EQ(response.domains_size(), 1);
  const auto status = domains("ap\x1b", &response);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), R"(no quota domain 'ap\x1b'; there are: 'api', 'zoo')");
  v1::QuotaTopResponse keys;
  EXPECT_EQ(top("web", 0, &keys).error_code(), StatusCode::NOT_FOUND);
  v1::QuotaCheckResponse verdict;
  EXPECT_EQ(check(request("web", "user", "alice", 1, true), &verdict).error_code(),
            StatusCode::NOT_FOUND);
  put_in_force({});
  EXPECT_EQ(domains("api", &response).error_message(),
            "no quota domain 'api'; the configuration has none");
  std::vector<config::QuotaDomain> many;
  for (int i = 0; i < 9; ++i) many.push_back(domain("d" + std::to_string(i), {}));
  put_in_force(many);
  EXPECT_EQ(domains("api", &response).error_message(),
            "no quota domain 'api'; headgatectl quota list names the 9 there are");
}

TEST_F(Quota, ACheckLooksAndCountsOnlyIfItIsToldTo) {
  for (int i = 0; i < 5; ++i) {
    const auto seen = take(request("api", "user", "alice", 2, false));
    EXPECT_TRUE(seen.is_admitted());
    EXPECT_EQ(seen.limit().name(), "by-user");
    EXPECT_EQ(seen.remaining(), 2U);
  }
  EXPECT_EQ(take(request("api", "user", "alice", 2, true)).remaining(), 0U);
  const auto full = take(request("api", "user", "alice", 1, false));
  EXPECT_FALSE(full.is_admitted());
  EXPECT_TRUE(full.is_over());
  EXPECT_GT(full.retry_after_ns(), 1'000'000'000'000U);
  EXPECT_GT(full.until_reset_ns(), full.retry_after_ns());
  EXPECT_FALSE(take(request("api", "user", "bob", 3, false)).has_retry_after_ns()) << "never";
  EXPECT_TRUE(take(request("api", "user", "alice", 0, false)).is_admitted()) << "what is left";

  v1::QuotaDomainsResponse response;
  ASSERT_TRUE(domains("api", &response).ok());
  EXPECT_EQ(response.domains(0).limits(0).admitted(), 1U) << "looks are not counted";
  EXPECT_EQ(response.domains(0).limits(0).refused(), 0U);
}

TEST_F(Quota, ACheckTellsOfShadowModeAndOfNoRule) {
  const auto shadow = take(request("api", "trial", "x", 1, false));
  EXPECT_TRUE(shadow.is_admitted());
  EXPECT_TRUE(shadow.is_over());
  EXPECT_EQ(shadow.limit().mode(), "shadow");
  const auto free = take(request("api", "nothing", "x", 1, false));
  EXPECT_TRUE(free.is_admitted());
  EXPECT_FALSE(free.has_limit());
}

TEST_F(Quota, ACheckOfRequestsAtOnceSeesPermitsThatAreTaken) {
  EXPECT_TRUE(take(request("api", "job", "x", 1, true)).is_admitted());
  EXPECT_TRUE(take(request("api", "job", "x", 1, true)).is_admitted()) << "it holds none";
  quota::Request job;
  job.domain = "api";
  job.descriptors.push_back({{{"job", "x"}}, {}, {}});
  const auto acquired = manager.engine.acquire(job);
  ASSERT_TRUE(acquired);
  const auto full = take(request("api", "job", "x", 1, false));
  EXPECT_FALSE(full.is_admitted());
  EXPECT_EQ(full.retry_after_ns(), 100'000'000U) << "a hint: nobody knows when one comes back";
  v1::QuotaDomainsResponse response;
  ASSERT_TRUE(domains("api", &response).ok());
  EXPECT_EQ(response.domains(0).limits(2).in_flight(), 1U);
}

TEST_F(Quota, ABadCheckSaysWhatIsWrong) {
  v1::QuotaCheckResponse response;
  v1::QuotaCheckRequest bad = request("api", "", "alice", 1, true);
  auto status = check(bad, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("an entry without a key"));
  bad.clear_entries();
  EXPECT_EQ(check(bad, &response).error_code(), StatusCode::INVALID_ARGUMENT);
  bad = request("", "user", "alice", 1, false);
  EXPECT_EQ(check(bad, &response).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(Quota, TopTellsWhoAsksMostOfOneDomainOrAll) {
  for (int i = 0; i < 5; ++i) take(request("api", "user", "al\x7fice", 1, true));
  for (int i = 0; i < 3; ++i) take(request("zoo", "user", "bob", 1, true));
  take(request("api", "user", "carol", 1, true));
  v1::QuotaTopResponse response;
  ASSERT_TRUE(top("", 2, &response).ok());
  ASSERT_EQ(response.keys_size(), 2);
  EXPECT_EQ(response.keys(0).ShortDebugString(),
            R"(domain: "api" rule: "by-user" label: "al?ice" hits: 5 refused: 3)");
  EXPECT_EQ(response.keys(1).domain() + " " + response.keys(1).label(), "zoo bob");
  ASSERT_TRUE(top("api", 0, &response).ok());
  ASSERT_EQ(response.keys_size(), 2);
  EXPECT_EQ(response.keys(1).label(), "carol");
}

}  // namespace
}  // namespace headgate::control
