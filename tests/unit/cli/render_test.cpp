// SPDX-License-Identifier: Apache-2.0
#include "cli/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/words.h"

namespace headgate::cli {
namespace {

using control::v1::Change;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const Now kNow{std::chrono::seconds(1'700'000'000)};
constexpr Colour kPlain{false};

TEST(Words, TimesForAReader) {
  EXPECT_EQ(readable(milliseconds(20)), "20 ms");
  EXPECT_EQ(readable(milliseconds(200'000)), "3 m 20 s");
  EXPECT_EQ(readable(std::chrono::hours(48)), "2 d");
  EXPECT_EQ(readable(std::chrono::nanoseconds(5)), "0 s");
}

control::v1::ReloadResponse reload_of(Change::Kind kind, const char* rule, const char* key,
                                      const char* from, const char* to) {
  control::v1::ReloadResponse reload;
  reload.set_generation(7);
  reload.set_took_us(3210);
  Change* change = reload.add_changes();
  change->set_kind(kind);
  change->set_rule(rule);
  change->set_key(key);
  change->set_from(from);
  change->set_to(to);
  return reload;
}

TEST(Reload, EachKindOfChangeHasItsMark) {
  const std::string end = "\ngeneration 7 in force (took 3 ms)\n";
  EXPECT_EQ(reload_text(reload_of(Change::ADDED, "api", "", "", ""), kPlain), "+ rule api" + end);
  EXPECT_EQ(reload_text(reload_of(Change::REMOVED, "old", "", "", ""), kPlain), "- rule old" + end);
  EXPECT_EQ(reload_text(reload_of(Change::CHANGED, "web", "connections.per_client", "100", "200"),
                        kPlain),
            "~ web: connections.per_client 100 -> 200" + end);
  EXPECT_EQ(reload_text(reload_of(Change::CHANGED, "", "clients.deny", "", "3 added"), kPlain),
            "~ clients.deny 3 added" + end);
  EXPECT_EQ(reload_text(reload_of(Change::NEEDS_RESTART, "", "tables.clients", "1", "2"), kPlain),
            "! tables.clients 1 -> 2, takes effect at the next start" + end);
}

TEST(Reload, TellsOfNothingAndOfReKeying) {
  control::v1::ReloadResponse reload;
  reload.set_rekeyed(12);
  EXPECT_THAT(reload_text(reload, kPlain), StartsWith("nothing has changed\n"));
  EXPECT_THAT(reload_text(reload, kPlain), HasSubstr("12 connections re-keyed"));
  const auto json = nlohmann::json::parse(
      reload_json(reload_of(Change::NEEDS_RESTART, "", "tables.clients", "1", "2")));
  EXPECT_EQ(json["generation"], 7);
  EXPECT_EQ(json["changes"][0]["kind"], "needs_restart");
  EXPECT_EQ(json["warnings"], nlohmann::json::array());
}

TEST(Reload, TellsOfWarnings) {
  control::v1::ReloadResponse reload;
  reload.add_warnings("refusals in web get a reset");
  EXPECT_THAT(reload_text(reload, kPlain), HasSubstr(")\nwarning: refusals in web get a reset\n"));
  EXPECT_EQ(nlohmann::json::parse(reload_json(reload))["warnings"][0],
            "refusals in web get a reset");
}

control::v1::ExplainResponse refused() {
  control::v1::ExplainResponse explanation;
  explanation.set_rule("web");
  explanation.set_client("192.0.2.7");
  explanation.set_mode("enforce");
  explanation.set_action("drop");
  explanation.set_reason("client_rate");
  auto* client = explanation.mutable_per_client();
  client->set_who("192.0.2.7");
  client->set_connections(3);
  client->set_half_open(1);
  client->set_limit(10);
  client->mutable_bucket()->set_rate_per_second(50);
  client->mutable_bucket()->set_burst(100);
  client->mutable_bucket()->set_until_next_ns(20'000'000);
  return explanation;
}

TEST(Explain, SaysFirstWhatHappensAndPointsAtWhy) {
  const std::string text = explain_text(refused(), kNow, kPlain);
  EXPECT_THAT(text, StartsWith("192.0.2.7 at rule web: WOULD BE REFUSED  client_rate: the client "
                               "opens connections faster than the rule allows\n"));
  EXPECT_THAT(text, HasSubstr("4 of 10 (1 half-open)"));
  EXPECT_THAT(text, HasSubstr("0 of 100 tokens, next in 20 ms, 50/s <- full"));
  EXPECT_THAT(text, HasSubstr("in silence: the SYN is dropped"));
}

TEST(Explain, AdmittedIsSaidWithItsCaveat) {
  auto explanation = refused();
  explanation.set_is_admitted(true);
  explanation.set_mode("monitor");
  EXPECT_THAT(explain_text(explanation, kNow, kPlain), HasSubstr("only because of mode monitor"));
  explanation.set_exempt_by("clients.exempt");
  EXPECT_THAT(explain_text(explanation, kNow, kPlain), HasSubstr("only because it is exempt"));
  explanation.set_reason("none");
  EXPECT_THAT(explain_text(explanation, kNow, kPlain), HasSubstr("every limit has room"));
}

TEST(Explain, TellsHowLongADenialStillLasts) {
  auto explanation = refused();
  auto* entry = explanation.mutable_deny()->mutable_entry();
  explanation.mutable_deny()->set_source("operator");
  entry->set_cidr("192.0.2.0/24");
  entry->set_reason("scan\x1b[2J");
  entry->set_until_unix_ms(1'700'000'200'000);
  const std::string text = explain_text(explanation, kNow, kPlain);
  EXPECT_THAT(text, HasSubstr("192.0.2.0/24, 3 m 20 s more, until 2023-11-14 22:16:40 UTC"));
  EXPECT_THAT(text, HasSubstr("scan\\x1b[2J (from operator)"));
}

TEST(Explain, SaysThatADenialIsHard) {
  auto explanation = refused();
  auto* entry = explanation.mutable_deny()->mutable_entry();
  explanation.mutable_deny()->set_source("operator");
  entry->set_cidr("192.0.2.0/24");
  entry->set_is_hard(true);
  EXPECT_THAT(explain_text(explanation, kNow, kPlain),
              HasSubstr("192.0.2.0/24, for good, hard (from operator)"));
}

TEST(DenyList, SaysWhichEntriesAreHard) {
  std::vector<control::v1::DenyListed> list(2);
  for (auto& listed : list) listed.set_source("operator");
  list[0].mutable_entry()->set_cidr("192.0.2.1");
  list[0].mutable_entry()->set_is_hard(true);
  list[1].mutable_entry()->set_cidr("192.0.2.2");
  const std::string text = deny_list_text(list, kNow);
  EXPECT_THAT(text, HasSubstr("operator, hard"));
  EXPECT_EQ(text.find("hard"), text.rfind("hard"));
  const auto entries = nlohmann::json::parse(deny_list_json(list))["entries"];
  EXPECT_EQ(entries[0]["is_hard"], true);
  EXPECT_EQ(entries[1]["is_hard"], false);
}

TEST(Explain, JsonLeavesOutWhatIsNotSet) {
  const auto json = nlohmann::json::parse(explain_json({refused()}))["explanations"][0];
  EXPECT_EQ(json["per_client"]["limit"], 10);
  EXPECT_EQ(json["per_client"]["bucket"]["until_next_ns"], 20'000'000);
  EXPECT_FALSE(json["total"].contains("limit"));
  EXPECT_FALSE(json.contains("deny"));
}

TEST(Status, SaysLoudlyThatTheLastReloadFailed) {
  control::v1::StatusResponse status;
  status.set_generation(7);
  status.set_last_reload_was_good(true);
  EXPECT_THAT(status_text(status, kPlain), HasSubstr("generation 7 in force"));
  status.set_last_reload_was_good(false);
  status.set_last_reload_error("f:4:5: bad");
  EXPECT_THAT(status_text(status, kPlain), HasSubstr("THE LAST RELOAD FAILED"));
  EXPECT_THAT(status_text(status, kPlain), HasSubstr("f:4:5: bad"));
  EXPECT_EQ(nlohmann::json::parse(status_json(status))["last_reload"]["error"], "f:4:5: bad");
}

TEST(Status, SaysWhereTheFrontLineIsAndWhyNot) {
  control::v1::StatusResponse status;
  auto* eth0 = status.add_fronts();
  eth0->set_interface("eth0");
  eth0->set_mode("native");
  eth0->set_others(2);
  auto* packets = eth0->add_packets();
  packets->set_verdict("drop");
  packets->set_reason("denied");
  packets->set_count(4711);
  auto* eth1 = status.add_fronts();
  eth1->set_interface("eth1");
  eth1->set_mode("none");
  eth1->set_error("taken");
  const std::string text = status_text(status, kPlain);
  EXPECT_THAT(text, HasSubstr("dispatcher, 2 others"));
  EXPECT_THAT(text, HasSubstr("4711"));
  EXPECT_THAT(text, HasSubstr("no front line on eth1: taken"));
  const auto json = nlohmann::json::parse(status_json(status))["xdp"];
  EXPECT_EQ(json[0]["packets"][0]["count"], 4711);
  EXPECT_EQ(json[1]["error"], "taken");
}

TEST(Status, ShowsWhatAMonitorRuleWouldRefuse) {
  control::v1::StatusResponse status;
  auto* rule = status.add_rules();
  rule->set_name("web");
  rule->set_mode("monitor");
  (*rule->mutable_would_refuse())["client_rate"] = 4711;
  EXPECT_THAT(status_text(status, kPlain), HasSubstr("4711"));
  EXPECT_EQ(nlohmann::json::parse(status_json(status))["rules"][0]["would_refuse"]["client_rate"],
            4711);
}

TEST(Event, IsOneLineThatATerminalCanTake) {
  control::v1::Event event;
  event.set_time_unix_ns(1'700'000'000'123'456'789);
  event.set_kind("refused");
  event.set_rule("web");
  event.set_text("a\nb\x1b[2J");
  EXPECT_EQ(event_text(event, kPlain),
            "2023-11-14T22:13:20.123456Z refused rule=web: a\\x0ab\\x1b[2J\n");
  const std::string json = event_json(event);
  EXPECT_EQ(json.find('\n'), json.size() - 1);
  EXPECT_EQ(nlohmann::json::parse(json)["time_unix_ns"], 1'700'000'000'123'456'789);
}

TEST(Colour, IsOnlyThereWhereItIsWanted) {
  control::v1::Event event;
  event.set_kind("refused");
  EXPECT_THAT(event_text(event, Colour{true}), HasSubstr("\033["));
  EXPECT_THAT(event_text(event, kPlain), Not(HasSubstr("\033[")));
}

}  // namespace
}  // namespace headgate::cli
