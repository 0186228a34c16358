// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/render.h"

namespace headgate::cli {
namespace {

using control::v1::QuotaCheckRequest;
using control::v1::QuotaCheckResponse;
using control::v1::QuotaDomain;
using control::v1::QuotaDomainsResponse;
using control::v1::QuotaLimit;
using testing::HasSubstr;
using testing::Not;

constexpr Colour kPlain{false};
constexpr Colour kColoured{true};

QuotaLimit by_address() {
  QuotaLimit limit;
  limit.set_name("by-address");
  limit.set_path("client_ip");
  limit.set_algorithm("gcra");
  limit.set_mode("enforce");
  limit.set_requests(100);
  limit.set_per_ms(30'000);
  limit.set_burst(200);
  limit.set_admitted(7);
  limit.set_refused(2);
  limit.set_near_limit(1);
  return limit;
}

QuotaLimit at_once(const char* name, const char* algorithm) {
  QuotaLimit limit;
  limit.set_name(name);
  limit.set_path(name);
  limit.set_algorithm(algorithm);
  limit.set_mode("enforce");
  limit.set_in_flight(3);
  return limit;
}

QuotaDomainsResponse two_domains() {
  QuotaDomainsResponse answer;
  QuotaDomain* api = answer.add_domains();
  api->set_name("api");
  api->set_keys(250);
  api->set_max_keys(1000);
  api->set_evicted(4);
  *api->add_limits() = by_address();
  QuotaLimit* jobs = api->add_limits();
  *jobs = at_once("job", "fixed");
  jobs->set_requests(10);
  jobs->set_lease_ttl_ms(30'000);
  QuotaLimit* backend = api->add_limits();
  *backend = at_once("backend", "auto");
  backend->set_floor(9);
  backend->set_ceiling(500);
  QuotaLimit* trial = api->add_limits();
  trial->set_name("trial");
  trial->set_path("trial");
  trial->set_algorithm("fixed-window");
  trial->set_mode("shadow");
  trial->set_requests(5);
  trial->set_per_ms(1500);
  trial->set_shadow(6);
  QuotaDomain* batch = answer.add_domains();
  batch->set_name("batch");
  batch->set_max_keys(16);
  auto* quota = batch->add_clients();
  quota->set_user("alice");
  quota->set_client("<default>");
  quota->set_time_percent(200);
  quota->set_connections_per_second(0.5);
  return answer;
}

TEST(QuotaList, OneLineForEachDomain) {
  EXPECT_EQ(
      quota_list_text(two_domains()),
      "DOMAIN  RULES  CLIENTS  KEYS  MAX KEYS  FULL  EVICTED  ADMITTED  REFUSED  WOULD REFUSE\n"
      "api         4        0   250      1000  25 %        4         7        2             6\n"
      "batch       0        1     0        16   0 %        0         0        0             0\n");
  EXPECT_EQ(quota_list_text({}), "no quota domains: no requests are limited\n");
}

TEST(QuotaShow, RulesAndClientQuotasAreTables) {
  EXPECT_EQ(
      quota_show_text(two_domains(), kPlain),
      "domain api: 250 of 1000 keys in use, 4 evicted\n"
      "\n"
      "RULE                    LIMIT                       MODE     ADMITTED  REFUSED  WOULD "
      "REFUSE  NEAR  IN FLIGHT\n"
      "by-address (client_ip)  100 per 30s, burst 200      enforce         7        2         "
      "    -     1          -\n"
      "job                     10 at once                  enforce         0        0         "
      "    -     0          3\n"
      "backend                 auto 9..500                 enforce         0        0         "
      "    -     0          3\n"
      "trial                   5 per 1500ms, fixed window  shadow          0        0         "
      "    6     0          -\n"
      "\n"
      "domain batch: 0 of 16 keys in use, 0 evicted\n"
      "\n"
      "USER   CLIENT      TIME  BYTES  CONNECTIONS\n"
      "alice  <default>  200 %      -        0.5/s\n");
  EXPECT_EQ(quota_show_text({}, kPlain), "no quota domains: no requests are limited\n");
}

TEST(QuotaShow, TellsOfPenaltiesAndOfWhatWasNotCounted) {
  QuotaDomainsResponse answer = two_domains();
  answer.mutable_domains(0)->set_check_all_then_commit(true);
  QuotaLimit* limit = answer.mutable_domains(0)->mutable_limits(0);
  limit->set_penalty("{ after: 50 }");
  limit->set_uncounted(1);
  const std::string text = quota_show_text(answer, kPlain);
  EXPECT_THAT(text, HasSubstr("4 evicted; nothing is counted unless all is admitted\n"));
  EXPECT_THAT(text, HasSubstr("penalty of by-address: { after: 50 }\n"));
  EXPECT_THAT(text, HasSubstr("not counted by by-address: 1 request, admitted because the table "
                              "had no room; max_keys is too small\n"));
}

TEST(QuotaShow, NamesCannotCommandATerminal) {
  QuotaDomainsResponse answer;
  answer.add_domains()->set_name("\033[2J");
  *answer.mutable_domains(0)->add_limits() = by_address();
  answer.mutable_domains(0)->mutable_limits(0)->set_name("\033]0;x");
  control::v1::QuotaTopResponse top;
  top.add_keys()->set_label("\033c");
  for (const std::string& text :
       {quota_list_text(answer), quota_show_text(answer, kPlain), quota_top_text(top)}) {
    EXPECT_THAT(text, Not(HasSubstr("\033")));
    EXPECT_THAT(text, HasSubstr("\\x1b"));
  }
}

TEST(QuotaDomainsJson, HasOnlyWhatMeansSomething) {
  const auto json = nlohmann::json::parse(quota_domains_json(two_domains()));
  const auto& limits = json["domains"][0]["limits"];
  EXPECT_EQ(limits[0]["burst"], 200);
  EXPECT_FALSE(limits[0].contains("in_flight"));
  EXPECT_FALSE(limits[0].contains("floor"));
  EXPECT_EQ(limits[1]["requests"], 10);
  EXPECT_EQ(limits[1]["in_flight"], 3);
  EXPECT_FALSE(limits[1].contains("per_ms"));
  EXPECT_EQ(limits[1]["lease_ttl_ms"], 30'000);
  EXPECT_EQ(limits[2]["ceiling"], 500);
  EXPECT_FALSE(limits[2].contains("lease_ttl_ms"));
  EXPECT_FALSE(limits[2].contains("requests"));
  EXPECT_FALSE(limits[3].contains("burst"));
  EXPECT_EQ(limits[3]["shadow"], 6);
  const auto& client = json["domains"][1]["clients"][0];
  EXPECT_EQ(client["client"], "<default>");
  EXPECT_FALSE(client.contains("bytes_per_second"));
}

QuotaCheckRequest ask(bool take) {
  QuotaCheckRequest request;
  request.set_domain("api");
  for (const char* key : {"user", "action"}) {
    auto* entry = request.add_entries();
    entry->set_key(key);
    entry->set_value("x");
  }
  request.set_take(take);
  return request;
}

QuotaCheckResponse admitted() {
  QuotaCheckResponse answer;
  answer.set_is_admitted(true);
  answer.set_retry_after_ns(0);
  answer.set_remaining(150);
  answer.set_until_reset_ns(15'000'000'000);
  *answer.mutable_limit() = by_address();
  return answer;
}

QuotaCheckResponse refused(std::uint64_t retry_after_ns) {
  QuotaCheckResponse answer = admitted();
  answer.set_is_admitted(false);
  answer.set_is_over(true);
  answer.set_remaining(0);
  answer.set_retry_after_ns(retry_after_ns);
  return answer;
}

TEST(QuotaCheck, TellsTheRuleAndWhatIsLeft) {
  EXPECT_EQ(quota_check_text(ask(false), admitted(), kPlain),
            "user=x,action=x in domain api: ADMITTED  the limit has room\n"
            "\n"
            "rule       by-address (client_ip)\n"
            "limit      100 per 30s, burst 200\n"
            "left       150\n"
            "all free   in 15 s\n"
            "counted    no: this only looks; --take counts\n");
  EXPECT_THAT(quota_check_text(ask(true), admitted(), kPlain), HasSubstr("counted    yes\n"));
  EXPECT_THAT(quota_check_text(ask(true), admitted(), kColoured), HasSubstr("\033[32mADMITTED"));
}

TEST(QuotaCheck, ARefusalSaysWhenAgain) {
  const std::string text = quota_check_text(ask(false), refused(3'000'000'000), kPlain);
  EXPECT_THAT(text, HasSubstr(": WOULD BE REFUSED  the limit is reached\n"));
  EXPECT_THAT(text, HasSubstr("again      in 3 s\n"));
  EXPECT_THAT(quota_check_text(ask(true), refused(1), kPlain), HasSubstr(": REFUSED  the limit"));
  EXPECT_THAT(quota_check_text(ask(false), refused(0), kPlain),
              HasSubstr("again      when one that is under way ends\n"));
  QuotaCheckResponse never = refused(0);
  never.clear_retry_after_ns();
  EXPECT_THAT(quota_check_text(ask(false), never, kPlain), HasSubstr("again      never\n"));
  EXPECT_THAT(quota_check_text(ask(false), never, kPlain),
              HasSubstr("it costs more than the limit ever has"));
}

TEST(QuotaCheck, TellsOfShadowModeOfNoRuleAndOfNoLimit) {
  QuotaCheckResponse answer = refused(5);
  answer.set_is_admitted(true);
  answer.mutable_limit()->set_mode("shadow");
  const std::string text = quota_check_text(ask(false), answer, kPlain);
  EXPECT_THAT(text,
              HasSubstr("ADMITTED  only because of mode shadow; else the limit is reached\n"));
  EXPECT_THAT(text, HasSubstr("mode       shadow: counted, refuses nothing\n"));
  answer = QuotaCheckResponse();
  answer.set_is_admitted(true);
  EXPECT_EQ(quota_check_text(ask(false), answer, kPlain),
            "user=x,action=x in domain api: ADMITTED  no rule limits it\n");
  answer.mutable_limit()->set_is_unlimited(true);
  EXPECT_THAT(quota_check_text(ask(false), answer, kPlain), HasSubstr("limit      unlimited\n"));
  *answer.mutable_limit() = at_once("job", "fixed");
  EXPECT_THAT(
      quota_check_text(ask(true), answer, kPlain),
      HasSubstr(
          "counted    yes, but no place is held: only services hold one among those at once\n"));
}

TEST(QuotaCheckJson, NeverIsATimeThatIsNotThere) {
  QuotaCheckResponse answer = refused(3);
  auto json = nlohmann::json::parse(quota_check_json(answer));
  EXPECT_EQ(json["is_admitted"], false);
  EXPECT_EQ(json["limit"]["name"], "by-address");
  EXPECT_EQ(json["retry_after_ns"], 3);
  answer.clear_retry_after_ns();
  json = nlohmann::json::parse(quota_check_json(answer));
  EXPECT_FALSE(json.contains("retry_after_ns"));
}

TEST(QuotaTop, IsATableAndAList) {
  control::v1::QuotaTopResponse answer;
  EXPECT_EQ(quota_top_text(answer), "no keys: nobody has asked yet\n");
  auto* key = answer.add_keys();
  key->set_domain("api");
  key->set_rule("user");
  key->set_label("alice");
  key->set_hits(12);
  key->set_refused(3);
  EXPECT_EQ(quota_top_text(answer),
            "DOMAIN  RULE  KEY    HITS  REFUSED  IN FLIGHT\n"
            "api     user  alice    12        3          0\n");
  EXPECT_EQ(nlohmann::json::parse(quota_top_json(answer))["keys"][0]["label"], "alice");
}

}  // namespace
}  // namespace headgate::cli
