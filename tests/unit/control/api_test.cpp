// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "daemon/control/handlers.h"
#include "served.h"

namespace headgate::control {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using Stub = v1::Control::Stub;

// Each call of the API, from a caller to the manager and back.
class Api : public Served {};

template <typename Request, typename Response>
using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

TEST_F(Api, StatusTellsWhatIsEnforcedAndTheLastReload) {
  observe::RuleSnapshot rule;
  rule.name = "web";
  rule.listen = {"443"};
  rule.per_network_limit = 0;
  rule.mode = "monitor";
  rule.action = "reply";
  rule.counts.counters.refused[HG_ACTION_RESET][HG_CLIENT_RATE - 1] = 5;
  rule.counts.counters.refused[HG_ACTION_REPLY][HG_CLIENT_RATE - 1] = 6;
  rule.counts.counters.refused[HG_ACTION_NONE][HG_CLIENT_RATE - 1] = 7;
  manager.state.rules.push_back(rule);
  manager.state.tables.push_back({"clients", 3, 10});
  manager.last_reload = {7, false, identity.start_time + std::chrono::seconds(9), "f:1:2: bad"};
  v1::StatusResponse response;
  const Method<v1::StatusRequest, v1::StatusResponse> method = &Stub::Status;
  ASSERT_TRUE(call(method, v1::StatusRequest(), &response).ok());
  EXPECT_EQ(response.version(), "1.2.3");
  EXPECT_EQ(response.start_time_unix(), 1'700'000'000);
  EXPECT_EQ(response.generation(), 7U);
  EXPECT_FALSE(response.last_reload_was_good());
  EXPECT_EQ(response.last_reload_time_unix(), 1'700'000'009);
  EXPECT_EQ(response.last_reload_error(), "f:1:2: bad");
  ASSERT_EQ(response.rules_size(), 1);
  EXPECT_EQ(response.rules(0).mode() + response.rules(0).action(), "monitorreply");
  EXPECT_FALSE(response.rules(0).has_per_client_limit());
  EXPECT_TRUE(response.rules(0).has_per_network_limit());
  EXPECT_EQ(response.rules(0).refused().at("client_rate"), 11U);
  EXPECT_EQ(response.rules(0).would_refuse().at("client_rate"), 7U);
  EXPECT_EQ(response.rules(0).refused().at("denied"), 0U);
  EXPECT_EQ(response.tables(0).capacity(), 10U);
}

TEST_F(Api, ClientsAreCutAtTheLimitAndCountedAll) {
  manager.some_clients = std::vector<observe::ClientSnapshot>(150);
  v1::ClientsRequest request;
  v1::ClientsResponse response;
  const Method<v1::ClientsRequest, v1::ClientsResponse> method = &Stub::Clients;
  ASSERT_TRUE(call(method, request, &response).ok());
  EXPECT_EQ(response.clients_size(), 100);
  EXPECT_EQ(response.total(), 150U);
  request.set_limit(2);
  request.set_rule("web");
  request.set_order(v1::ClientsRequest::RATE);
  request.set_at_least(3);
  ASSERT_TRUE(call(method, request, &response).ok());
  EXPECT_EQ(response.clients_size(), 2);
  EXPECT_EQ(manager.query.rule, "web");
  EXPECT_EQ(manager.query.order, observe::ClientOrder::kRate);
  EXPECT_EQ(manager.query.at_least, 3U);
  request.set_order(static_cast<v1::ClientsRequest::Order>(9));
  EXPECT_EQ(call(method, request, &response).error_code(), StatusCode::INVALID_ARGUMENT);
  manager.some_clients = fail(ErrorCode::kNotFound, "no rule 'web'; there is: api");
  request.set_order(v1::ClientsRequest::RATE);
  const auto status = call(method, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "no rule 'web'; there is: api");
}

TEST_F(Api, ReloadTellsTheDifference) {
  using Kind = config::Change::Kind;
  manager.report = manage::ReloadReport{7,
                                        {{Kind::kAdded, "api", "", "", ""},
                                         {Kind::kRemoved, "old", "", "", ""},
                                         {Kind::kChanged, "web", "mode", "monitor", "enforce"},
                                         {Kind::kNeedsRestart, "", "tables.clients", "1", "2"}},
                                        12,
                                        std::chrono::microseconds(3000),
                                        {"refusals in a get a reset"}};
  v1::ReloadResponse response;
  const Method<v1::ReloadRequest, v1::ReloadResponse> method = &Stub::Reload;
  ASSERT_TRUE(call(method, v1::ReloadRequest(), &response).ok());
  EXPECT_EQ(response.generation(), 7U);
  EXPECT_EQ(response.rekeyed(), 12U);
  EXPECT_EQ(response.took_us(), 3000U);
  ASSERT_EQ(response.warnings_size(), 1);
  EXPECT_EQ(response.warnings(0), "refusals in a get a reset");
  ASSERT_EQ(response.changes_size(), 4);
  EXPECT_EQ(response.changes(0).kind(), v1::Change::ADDED);
  EXPECT_EQ(response.changes(1).kind(), v1::Change::REMOVED);
  EXPECT_EQ(response.changes(2).kind(), v1::Change::CHANGED);
  EXPECT_EQ(response.changes(2).from() + response.changes(2).to(), "monitorenforce");
  EXPECT_EQ(response.changes(3).kind(), v1::Change::NEEDS_RESTART);
}

TEST_F(Api, ABadConfigurationIsAFailedPreconditionThatSaysWhere) {
  manager.report = fail(ErrorCode::kInvalidArgument, "headgate.yaml:4:5: unknown key 'ü'");
  v1::ReloadResponse response;
  const Method<v1::ReloadRequest, v1::ReloadResponse> method = &Stub::Reload;
  const auto status = call(method, v1::ReloadRequest(), &response);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "headgate.yaml:4:5: unknown key 'ü'");
}

TEST_F(Api, SetAndUnsetReachTheManagerAsTheyWereSaid) {
  v1::SetRequest set;
  set.set_rule("web");
  set.set_key("connections.per_client");
  set.set_value("200");
  set.set_persist(true);
  v1::UnsetRequest unset;
  unset.set_rule("web");
  unset.set_key("mode");
  v1::ReloadResponse response;
  const Method<v1::SetRequest, v1::ReloadResponse> set_method = &Stub::Set;
  const Method<v1::UnsetRequest, v1::ReloadResponse> unset_method = &Stub::Unset;
  EXPECT_TRUE(call(set_method, set, &response).ok());
  EXPECT_TRUE(call(unset_method, unset, &response).ok());
  EXPECT_THAT(manager.calls,
              ElementsAre("set web connections.per_client=200 persist", "unset web mode"));
  set.set_rule("not a name");
  EXPECT_EQ(call(set_method, set, &response).error_code(), StatusCode::INVALID_ARGUMENT);
  unset.set_key("");
  EXPECT_EQ(call(unset_method, unset, &response).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(manager.changes, 2) << "bad input goes no further";
  manager.report = fail(ErrorCode::kNotFound, "web mode is not set");
  unset.set_key("mode");
  EXPECT_EQ(call(unset_method, unset, &response).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(Api, DiffTellsWhichSettingsPersist) {
  manager.difference = manage::Manager::Difference{
      {{config::Change::Kind::kChanged, "web", "mode", "enforce", "monitor"}},
      {{"web", "mode", "monitor", {}}},
      {{"web", "connections.total", "5", {}}}};
  v1::DiffResponse response;
  const Method<v1::DiffRequest, v1::DiffResponse> method = &Stub::Diff;
  ASSERT_TRUE(call(method, v1::DiffRequest(), &response).ok());
  EXPECT_EQ(response.changes_size(), 1);
  ASSERT_EQ(response.settings_size(), 2);
  EXPECT_TRUE(response.settings(0).is_persistent());
  EXPECT_FALSE(response.settings(1).is_persistent());
  EXPECT_EQ(response.settings(1).value(), "5");
}

TEST_F(Api, DenyAddIsAllOrNothing) {
  v1::DenyAddRequest request;
  request.add_entries()->set_cidr("192.0.2.0/24");
  request.set_evict(true);
  v1::DenyResponse response;
  const Method<v1::DenyAddRequest, v1::DenyResponse> method = &Stub::DenyAdd;
  manager.deny_report = manage::DenyReport{1, 2, 3, 4, 5};
  ASSERT_TRUE(call(method, request, &response).ok());
  EXPECT_EQ(response.ShortDebugString(), "added: 1 replaced: 2 removed: 3 unknown: 4 evicted: 5");
  EXPECT_THAT(manager.calls, ElementsAre("deny_add evict"));
  request.add_entries()->set_cidr("192.0.2.1/24");
  const auto status = call(method, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("entry 2: '192.0.2.1/24' has bits set"));
  EXPECT_EQ(manager.changes, 1);
}

TEST_F(Api, AHundredThousandEntriesGoInOneCall) {
  v1::DenyAddRequest request;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    v1::DenyEntry* entry = request.add_entries();
    entry->set_cidr("2001:db8:1111:2222:3333:4444:" + std::to_string(1000 + i / 1000) + ":" +
                    std::to_string(i % 1000));
    entry->set_reason(std::string(config::kMaxReasonBytes, 'r'));
    entry->set_until_unix_ms(7'000'000'000'000);
  }
  v1::DenyResponse response;
  const Method<v1::DenyAddRequest, v1::DenyResponse> method = &Stub::DenyAdd;
  const auto start = std::chrono::steady_clock::now();
  const auto status = call(method, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(manager.added.size(), 100'000U);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(Api, DenyRemoveAndEvictCheckWhatTheyAreGiven) {
  v1::DenyRemoveRequest remove;
  remove.add_cidrs("10.0.0.0/8");
  v1::DenyResponse removed;
  const Method<v1::DenyRemoveRequest, v1::DenyResponse> remove_method = &Stub::DenyRemove;
  EXPECT_TRUE(call(remove_method, remove, &removed).ok());
  EXPECT_THAT(manager.removed, ElementsAre(*Prefix::parse("10.0.0.0/8")));
  remove.add_cidrs("ten");
  EXPECT_EQ(call(remove_method, remove, &removed).error_code(), StatusCode::INVALID_ARGUMENT);

  v1::EvictRequest evict;
  evict.set_cidr("192.0.2.7");
  evict.set_only_excess(true);
  v1::EvictResponse evicted;
  manager.evict_report = manage::EvictReport{3, 1};
  const Method<v1::EvictRequest, v1::EvictResponse> evict_method = &Stub::Evict;
  EXPECT_TRUE(call(evict_method, evict, &evicted).ok());
  EXPECT_EQ(evicted.closed() * 10 + evicted.gone(), 31U);
  EXPECT_EQ(manager.calls.back(), "evict 192.0.2.7 '' excess");
  evict.set_cidr("");
  EXPECT_EQ(call(evict_method, evict, &evicted).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(Api, ExplainCarriesEveryLevel) {
  manage::Explanation explanation;
  explanation.generation = 7;
  explanation.overridden_by = "10.0.0.0/8";
  explanation.per_client = {"192.0.2.7", 3, 1, 10, manage::Bucket{50, 100, 12.5, {}}};
  explanation.per_network = {"192.0.2.0/24", 4, 0, {}, {}};
  explanation.total = {"", 5, 0, 0, {}};
  explanation.deny = manage::DenyListed{
      {*Prefix::parse("192.0.2.0/24"), "scanner",
       std::chrono::system_clock::time_point(std::chrono::milliseconds(1'900'000'000'001))},
      manage::DenyListed::Source::kConfig,
      ""};
  explanation.reason = "denied";
  manager.explanation = explanation;
  v1::ExplainRequest request;
  request.set_client("192.0.2.7");
  request.set_port(443);
  request.set_server("::1");
  v1::ExplainResponse response;
  const Method<v1::ExplainRequest, v1::ExplainResponse> method = &Stub::Explain;
  ASSERT_TRUE(call(method, request, &response).ok());
  EXPECT_EQ(response.rule(), "of port 443 at ::1");
  EXPECT_EQ(response.client(), "192.0.2.7");
  EXPECT_EQ(response.overridden_by(), "10.0.0.0/8");
  EXPECT_EQ(response.exempt_by(), "");
  EXPECT_EQ(response.per_client().limit(), 10U);
  EXPECT_EQ(response.per_client().bucket().tokens(), 12.5);
  EXPECT_FALSE(response.per_network().has_limit());
  EXPECT_FALSE(response.per_network().has_bucket());
  EXPECT_TRUE(response.total().has_limit()) << "a limit of 0 is one";
  EXPECT_EQ(response.deny().entry().until_unix_ms(), 1'900'000'000'001);
  EXPECT_EQ(response.deny().source(), "config");
  EXPECT_FALSE(response.has_penalty());
  request.set_rule("web");
  EXPECT_EQ(call(method, request, &response).error_code(), StatusCode::INVALID_ARGUMENT);
  manager.explanation = fail(ErrorCode::kNotFound, "no rule covers port 443");
  request.clear_rule();
  EXPECT_EQ(call(method, request, &response).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(Api, VerifyTellsOfEachCounterThatIsOff) {
  manager.verify_report = manage::VerifyReport{
      {{"/run/netns/web", "api", "192.0.2.7", 3, 2}, {"self", "web", "", 0, 9}},
      10'012,
      231,
      false};
  v1::VerifyRequest request;
  v1::VerifyResponse response;
  const Method<v1::VerifyRequest, v1::VerifyResponse> method = &Stub::Verify;
  ASSERT_TRUE(call(method, request, &response).ok());
  EXPECT_EQ(manager.calls.back(), "verify");
  ASSERT_EQ(response.drift_size(), 2);
  EXPECT_EQ(response.drift(0).ShortDebugString(),
            R"(netns: "/run/netns/web" rule: "api" client: "192.0.2.7" counted: 3 live: 2)");
  EXPECT_EQ(response.drift(1).ShortDebugString(), R"(netns: "self" rule: "web" live: 9)");
  EXPECT_EQ(response.connections(), 10'012U);
  EXPECT_EQ(response.clients(), 231U);
  EXPECT_FALSE(response.is_repaired());
}

TEST_F(Api, VerifyRepairsOnlyWhenToldTo) {
  manager.verify_report = manage::VerifyReport{{}, 0, 0, true};
  v1::VerifyRequest request;
  request.set_repair(true);
  v1::VerifyResponse response;
  const Method<v1::VerifyRequest, v1::VerifyResponse> method = &Stub::Verify;
  ASSERT_TRUE(call(method, request, &response).ok());
  EXPECT_EQ(manager.calls.back(), "verify repair");
  EXPECT_TRUE(response.is_repaired());
  manager.verify_report = fail(ErrorCode::kUnavailable, "cannot list the open sockets");
  const auto status = call(method, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "cannot list the open sockets");
}

TEST_F(Api, NamespacesAreAskedForAndTold) {
  manager.explanation = manage::Explanation();
  v1::ExplainRequest explain;
  explain.set_client("192.0.2.7");
  explain.set_port(443);
  explain.set_netns("/run/netns/web");
  v1::ExplainResponse explained;
  const Method<v1::ExplainRequest, v1::ExplainResponse> explain_method = &Stub::Explain;
  ASSERT_TRUE(call(explain_method, explain, &explained).ok());
  EXPECT_EQ(explained.rule(), "of port 443 in /run/netns/web");

  observe::ClientSnapshot client;
  client.netns = "/run/netns/web";
  manager.some_clients = std::vector{client};
  v1::ClientsRequest clients;
  clients.set_netns("/run/netns/web");
  v1::ClientsResponse listed;
  const Method<v1::ClientsRequest, v1::ClientsResponse> clients_method = &Stub::Clients;
  ASSERT_TRUE(call(clients_method, clients, &listed).ok());
  EXPECT_EQ(manager.query.netns, "/run/netns/web");
  EXPECT_EQ(listed.clients(0).netns(), "/run/netns/web");
}

// With `netns: all` they come and go: each call asks anew.
TEST_F(Api, StatusTellsOfTheNamespacesThatThereAreNow) {
  auto names = std::make_shared<std::vector<std::string>>(1, "self");
  Identity named = identity;
  named.netns = "all";
  named.pin_dir = "/sys/fs/bpf/headgate";
  named.counts_are_shared = true;
  named.namespaces = [names] { return *names; };
  const Handlers handlers(manager, named);
  v1::StatusResponse response;
  ASSERT_TRUE(handlers.status(v1::StatusRequest(), &response).ok());
  EXPECT_THAT(response.namespaces(), ElementsAre("self"));
  EXPECT_EQ(response.netns(), "all");
  EXPECT_EQ(response.pin_dir(), "/sys/fs/bpf/headgate");
  EXPECT_TRUE(response.counts_are_shared());
  names->push_back("/run/netns/web");
  response.Clear();
  ASSERT_TRUE(handlers.status(v1::StatusRequest(), &response).ok());
  EXPECT_THAT(response.namespaces(), ElementsAre("self", "/run/netns/web"));
}

}  // namespace
}  // namespace headgate::control
