// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/render.h"
#include "cli/words.h"

namespace headgate::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Colour kPlain{false};
constexpr Colour kColoured{true};

TEST(Words, LongNumbersAreGrouped) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'000), "1,000");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
}

void add_drift(control::v1::VerifyResponse& found, const char* netns, const char* rule,
               const char* client, std::uint32_t counted, std::uint32_t live) {
  auto* drift = found.add_drift();
  drift->set_netns(netns);
  drift->set_rule(rule);
  drift->set_client(client);
  drift->set_counted(counted);
  drift->set_live(live);
}

control::v1::VerifyResponse drifted() {
  control::v1::VerifyResponse found;
  add_drift(found, "self", "web", "", 12, 9);
  add_drift(found, "self", "web", "192.0.2.7", 0, 10);
  found.set_connections(10'012);
  found.set_clients(231);
  return found;
}

TEST(Verify, SaysInOneLineThatAllIsWell) {
  control::v1::VerifyResponse found;
  found.set_connections(10'012);
  found.set_clients(231);
  EXPECT_EQ(verify_text(found, false, kPlain),
            "10,012 connections of 231 clients: the counters agree with the open sockets\n");
  found.set_connections(1);
  found.set_clients(1);
  EXPECT_EQ(verify_text(found, true, kPlain),
            "1 connection of 1 client: the counters agree with the open sockets\n");
}

TEST(Verify, TellsEachCounterThatIsOff) {
  EXPECT_EQ(verify_text(drifted(), false, kPlain),
            "RULE  CLIENT     COUNTED  LIVE  DRIFT\n"
            "web   total           12     9     +3\n"
            "web   192.0.2.7        0    10    -10\n"
            "\n"
            "10,012 connections of 231 clients are open; 2 counters say something else\n"
            "headgatectl verify --repair makes them agree\n");
}

TEST(Verify, NamesTheNamespaceIfThereIsMoreThanOne) {
  EXPECT_THAT(verify_text(drifted(), false, kPlain), Not(HasSubstr("NETNS")));
  auto found = drifted();
  add_drift(found, "/run/netns/\x1bweb", "web", "192.0.2.7", 1, 2);
  const std::string text = verify_text(found, false, kPlain);
  EXPECT_THAT(text, HasSubstr("NETNS"));
  EXPECT_THAT(text, HasSubstr("/run/netns/\\x1bweb  web   192.0.2.7        1     2     -1\n"));
}

TEST(Verify, TellsWhetherItWasRepaired) {
  auto found = drifted();
  EXPECT_THAT(verify_text(found, true, kPlain), HasSubstr("NOT REPAIRED: a second look"));
  EXPECT_THAT(verify_text(found, true, kPlain), Not(HasSubstr("--repair")));
  found.set_is_repaired(true);
  EXPECT_THAT(verify_text(found, true, kPlain),
              HasSubstr("repaired: the counters agree with the open sockets now\n"));
}

TEST(Verify, JsonHasAllOfIt) {
  const auto json = nlohmann::json::parse(verify_json(drifted()));
  EXPECT_EQ(json["connections"], 10'012);
  EXPECT_EQ(json["clients"], 231);
  EXPECT_EQ(json["is_repaired"], false);
  ASSERT_EQ(json["drift"].size(), 2U);
  EXPECT_FALSE(json["drift"][0].contains("client")) << "the total";
  EXPECT_EQ(json["drift"][1]["netns"], "self");
  EXPECT_EQ(json["drift"][1]["client"], "192.0.2.7");
  EXPECT_EQ(json["drift"][1]["counted"], 0);
  EXPECT_EQ(json["drift"][1]["live"], 10);
}

TEST(Detach, SaysWhatWasRemoved) {
  EXPECT_EQ(detach_text({"/p", false, 0}), "nothing to detach: nothing is pinned in /p\n");
  EXPECT_EQ(detach_text({"/p", true, 0}), "removed what was left in /p; nothing was attached\n");
  EXPECT_EQ(detach_text({"/p", true, 1}), "detached 1 hook; no connection is limited any more\n");
  EXPECT_EQ(detach_text({"/p", true, 3}), "detached 3 hooks; no connection is limited any more\n");
  EXPECT_EQ(nlohmann::json::parse(detach_json({"/p", true, 3})),
            (nlohmann::json{{"pin_dir", "/p"}, {"was_there", true}, {"hooks", 3}}));
  EXPECT_EQ(detach_text({"/p", true, 3, {"/a", "/b"}}),
            "detached 3 hooks, also in /a and /b; no connection is limited any more\n");
  EXPECT_EQ(nlohmann::json::parse(detach_json({"/p", true, 3, {"/a"}})).at("former"),
            nlohmann::json({"/a"}));
}

constexpr auto kRequired = kernel::Requirement::Level::kRequired;
constexpr auto kOptional = kernel::Requirement::Level::kOptional;

TEST(Doctor, MarksWhatIsLackingAndWhatHeadgateDoesWithout) {
  const std::string text =
      doctor_text({{"BTF", kRequired, true, "there", "types", ""},
                   {"sk_lookup", kRequired, false, "no\x1b", "admits", "newer"},
                   {"XDP", kOptional, false, "not there", "drops", "nothing"}},
                  kPlain);
  EXPECT_EQ(text,
            "ok       BTF        types: there\n"
            "MISSING  sk_lookup  admits: no\\x1b\n"
            "         → newer\n"
            "absent   XDP        (optional) drops: not there\n"
            "         → nothing\n"
            "\n"
            "headgate cannot run here: 1 requirement not met\n");
}

TEST(Doctor, IsContentWithoutWhatIsOptional) {
  const std::vector<kernel::Requirement> all = {
      {"BTF", kRequired, true, "there", "types", ""},
      {"XDP", kOptional, false, "not there", "drops", "nothing"}};
  EXPECT_THAT(doctor_text(all, kPlain), HasSubstr("\nheadgate can run here\n"));
  const auto json = nlohmann::json::parse(doctor_json(all));
  EXPECT_EQ(json["is_met"], true);
  EXPECT_EQ(json["requirements"][0]["level"], "required");
  EXPECT_EQ(json["requirements"][1]["level"], "optional");
  EXPECT_EQ(json["requirements"][1]["is_met"], false);
  EXPECT_EQ(json["requirements"][1]["remedy"], "nothing");
}

TEST(Doctor, JsonSaysWhenSomethingIsLacking) {
  EXPECT_EQ(nlohmann::json::parse(doctor_json({{"BTF", kRequired, false, "", "", ""}}))["is_met"],
            false);
}

TEST(Doctor, ColoursOnlyWhereTheyAreWanted) {
  const std::vector<kernel::Requirement> all = {{"BTF", kRequired, false, "no", "types", "newer"}};
  EXPECT_THAT(doctor_text(all, kColoured), HasSubstr("\033[1;31mMISSING\033[0m"));
  EXPECT_THAT(doctor_text(all, kPlain), Not(HasSubstr("\033")));
}

TEST(Clients, HaveAColumnForTheNamespaceIfThereIsMoreThanOne) {
  control::v1::ClientsResponse clients;
  for (const char* netns : {"self", "self"}) {
    auto* client = clients.add_clients();
    client->set_netns(netns);
    client->set_rule("web");
    client->set_prefix("192.0.2.7");
  }
  clients.set_total(2);
  EXPECT_THAT(clients_text(clients), Not(HasSubstr("NETNS")));
  clients.mutable_clients(1)->set_netns("/run/netns/web");
  EXPECT_THAT(clients_text(clients), HasSubstr("NETNS           RULE"));
  EXPECT_THAT(clients_text(clients), HasSubstr("/run/netns/web  web "));
  const auto json = nlohmann::json::parse(clients_json(clients));
  EXPECT_EQ(json["clients"][1]["netns"], "/run/netns/web");
}

TEST(Status, NamesPinsAndNamespaces) {
  control::v1::StatusResponse status;
  status.set_last_reload_was_good(true);
  status.set_netns("self");
  status.add_namespaces("self");
  status.set_pin_dir("/sys/fs/bpf/headgate");
  EXPECT_THAT(status_text(status, kPlain), HasSubstr("netns self, pins /sys/fs/bpf/headgate\n"));
  EXPECT_THAT(status_text(status, kPlain), Not(HasSubstr("namespace")));
  status.set_netns("all");
  status.add_namespaces("/run/netns/web");
  EXPECT_THAT(status_text(status, kPlain),
              HasSubstr("2 namespaces, clients counted apart in each: self, /run/netns/web\n"));
  status.set_counts_are_shared(true);
  for (int i = 0; i < 10; ++i) status.add_namespaces("/n");
  EXPECT_THAT(status_text(status, kPlain), HasSubstr("counted together in all: self, /run"));
  EXPECT_THAT(status_text(status, kPlain), HasSubstr(", /n and 4 more (-o json names all)\n"));
  const auto json = nlohmann::json::parse(status_json(status));
  EXPECT_EQ(json["namespaces"].size(), 12U);
  EXPECT_EQ(json["counts_are_shared"], true);
  EXPECT_EQ(json["pin_dir"], "/sys/fs/bpf/headgate");
}

}  // namespace
}  // namespace headgate::cli
