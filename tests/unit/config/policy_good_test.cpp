// SPDX-License-Identifier: Apache-2.0
//
// Rates, networks, penalties, overrides, replies and lists of clients as they are read.
#include <string>

#include <gtest/gtest.h>

#include "cases.h"
#include "daemon/config/timestamp.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

constexpr char kExample[] = R"(
defaults: { network_prefix: { ipv4: 24, ipv6: 48 }, mode: enforce, on_table_full: admit }
rules:
  - name: web
    listen: ["80", "443"]
    mode: monitor                      # decide, count and log, refuse nothing
    connections: { per_client: 100, per_network: 1000, total: 20000, reserve: 100 }
    new_connections:
      per_client: { rate: 50/s, burst: 100 }
      per_network: { rate: 500/s }
      total: { rate: 5000/s, burst: 10000 }
    on_limit: reply                    # reset | drop | reply
    reply: http-429                    # with on_limit: reply
    penalty: { after: 100, within: 10s, deny_for: 10m, grow: 2, at_most: 1d }
    overrides:
      - clients: [10.0.0.0/8]          # longest prefix wins
        connections: { per_client: 1000 }
      - clients: ["2001:db8:1::/48"]
        exempt: true
clients:
  exempt: [127.0.0.0/8, "::1"]
  deny: [{ cidr: 198.51.100.0/24, reason: scanner, until: 2030-01-01T00:00:00Z }]
)";

TEST(PolicyGood, ReadsARule) {
  const Rule rule = parse_good(kExample).rules.at(0);
  EXPECT_EQ(rule.settings.mode, Mode::kMonitor);
  EXPECT_EQ(rule.connections.per_client, 100U);
  EXPECT_EQ(rule.connections.per_network, 1000U);
  EXPECT_EQ(rule.connections.total, 20'000U);
  EXPECT_EQ(rule.connections.reserve, 100U);
  EXPECT_EQ(rule.new_connections.per_client, (RateLimit{50, 1s, 100}));
  EXPECT_EQ(rule.new_connections.per_network, (RateLimit{500, 1s, 500}));
  EXPECT_EQ(rule.new_connections.total, (RateLimit{5000, 1s, 10'000}));
  EXPECT_EQ(rule.settings.on_limit, OnLimit::kReply);
  EXPECT_EQ(rule.settings.reply, (Reply{ReplyKind::kHttp429, ""}));
  EXPECT_EQ(rule.penalty, (Penalty{100, 10s, 10min, 2, 24h}));
}

TEST(PolicyGood, ReadsOverrides) {
  const Rule rule = parse_good(kExample).rules.at(0);
  ASSERT_EQ(rule.overrides.size(), 2U);
  const Override& first = rule.overrides[0];
  ASSERT_EQ(first.clients.size(), 1U);
  EXPECT_EQ(first.clients[0], prefix("10.0.0.0/8"));
  EXPECT_EQ(first.positions.at(0).line, 16);
  EXPECT_EQ(first.positions.at(0).column, 19);
  EXPECT_EQ(first.position.line, 16);
  EXPECT_EQ(first.per_client, OverrideLimit<std::uint32_t>{1000});
  EXPECT_EQ(first.per_network, std::nullopt);
  EXPECT_EQ(first.client_rate, std::nullopt);
  EXPECT_EQ(first.network_rate, std::nullopt);
  EXPECT_FALSE(first.exempt);
  EXPECT_EQ(rule.overrides[1].clients.at(0), prefix("2001:db8:1::/48"));
  EXPECT_TRUE(rule.overrides[1].exempt);
}

TEST(PolicyGood, ReadsListsOfClients) {
  const Clients clients = parse_good(kExample).clients;
  ASSERT_EQ(clients.exempt.size(), 2U);
  EXPECT_EQ(clients.exempt[0].cidr, prefix("127.0.0.0/8"));
  EXPECT_EQ(clients.exempt[1].cidr, prefix("::1"));
  EXPECT_EQ(clients.exempt[1].position.line, 21);
  ASSERT_EQ(clients.deny.size(), 1U);
  EXPECT_EQ(clients.deny[0].cidr, prefix("198.51.100.0/24"));
  EXPECT_EQ(clients.deny[0].reason, "scanner");
  EXPECT_EQ(clients.deny[0].until, parse_timestamp("2030-01-01T00:00:00Z"));
  EXPECT_EQ(clients.deny[0].position.line, 22);
}

TEST(PolicyGood, WhatIsNotWrittenHasADefault) {
  const Config config = parse_good("rules: [{ name: web, listen: 443 }]");
  EXPECT_TRUE(config.clients.exempt.empty());
  EXPECT_TRUE(config.clients.deny.empty());
  EXPECT_EQ(config.tables.penalties, 65'536U);
  EXPECT_EQ(config.tables.denied, 1'048'576U);
  EXPECT_FALSE(config.watch);
  EXPECT_EQ(config.max_replies, 1024U);
  const Rule& rule = config.rules.at(0);
  EXPECT_EQ(rule.settings.network_prefix, (PrefixLengths{24, 48}));
  EXPECT_EQ(rule.settings.mode, Mode::kEnforce);
  EXPECT_EQ(rule.settings.reply, std::nullopt);
  EXPECT_EQ(rule.connections.per_network, std::nullopt);
  EXPECT_EQ(rule.connections.reserve, 0U);
  EXPECT_EQ(rule.new_connections.per_client, std::nullopt);
  EXPECT_EQ(rule.penalty, std::nullopt);
  EXPECT_TRUE(rule.overrides.empty());
}

TEST(PolicyGood, ReadsTheOtherSections) {
  const Config config = parse_good(
      "rules: []\nreload: { watch: on }\nreplies: { at_once: 16384 }\n"
      "tables: { penalties: 1024, denied: 1 }\n");
  EXPECT_TRUE(config.watch);
  EXPECT_EQ(config.max_replies, 16'384U);
  EXPECT_EQ(config.tables.penalties, 1024U);
  EXPECT_EQ(config.tables.denied, 1U);
  EXPECT_FALSE(parse_good("rules: []\nreload: { watch: off }").watch);
}

TEST(PolicyGood, ARateMayBeShort) {
  const Rule rule = parse_rule(
      "    new_connections: { per_client: 50/s, per_network: { rate: 90/m }, total: 1/h }\n");
  EXPECT_EQ(rule.new_connections.per_client, (RateLimit{50, 1s, 50}));
  EXPECT_EQ(rule.new_connections.per_network, (RateLimit{90, 1min, 2}));
  EXPECT_EQ(rule.new_connections.total, (RateLimit{1, 1h, 1}));
}

TEST(PolicyGood, UnlimitedIsTheSameAsNoLimit) {
  const Rule rule = parse_rule(
      "    connections: { per_client: unlimited, total: unlimited }\n"
      "    new_connections: { per_client: unlimited }\n    penalty: off\n");
  EXPECT_EQ(rule.connections.per_client, std::nullopt);
  EXPECT_EQ(rule.connections.total, std::nullopt);
  EXPECT_EQ(rule.new_connections.per_client, std::nullopt);
  EXPECT_EQ(rule.penalty, std::nullopt);
}

TEST(PolicyGood, AnOverrideMayLiftALimit) {
  const Override only = parse_rule(R"(
    overrides:
      - clients: 192.0.2.1
        connections: { per_client: unlimited, per_network: 0 }
        new_connections: { per_client: { rate: 5/s, burst: 9 }, per_network: unlimited }
)")
                            .overrides.at(0);
  EXPECT_EQ(only.clients.at(0), prefix("192.0.2.1/32"));
  EXPECT_EQ(only.per_client, OverrideLimit<std::uint32_t>{std::nullopt});
  EXPECT_EQ(only.per_network, OverrideLimit<std::uint32_t>{0});
  EXPECT_EQ(only.client_rate, (OverrideLimit<RateLimit>{RateLimit{5, 1s, 9}}));
  EXPECT_EQ(only.network_rate, OverrideLimit<RateLimit>{std::nullopt});
}

TEST(PolicyGood, APrefixMayStandInEachRuleAndNestInAnother) {
  const Config config = parse_good(R"(
rules:
  - { name: a, listen: 1, overrides: [{ clients: [10.0.0.0/8, 10.0.0.0/9], exempt: true }] }
  - { name: b, listen: 2, overrides: [{ clients: [10.0.0.0/8], exempt: true }] }
clients: { exempt: [10.0.0.0/8], deny: [10.0.0.0/8, "10.0.0.0"] }
)");
  EXPECT_EQ(config.rules.at(0).overrides.at(0).clients.size(), 2U);
  EXPECT_EQ(config.clients.deny.size(), 2U);
}

TEST(PolicyGood, APenaltyHasDefaults) {
  EXPECT_EQ(parse_rule("    penalty: { after: 1, within: 1s, deny_for: 1s }\n").penalty,
            (Penalty{1, 1s, 1s, 1, 24h}));
  EXPECT_EQ(parse_rule("    penalty: { after: 1000000, within: 1h, deny_for: 365d }\n").penalty,
            (Penalty{1'000'000, 1h, 365 * 24h, 1, 365 * 24h}));
  EXPECT_EQ(
      parse_rule("    penalty: { at_most: 2h, after: 1, within: 1m, deny_for: 2h, grow: 100 }\n")
          .penalty,
      (Penalty{1, 1min, 2h, 100, 2h}));
}

TEST(PolicyGood, ReadsEveryReply) {
  const auto reply = [](const std::string& text) {
    return parse_rule("    on_limit: reply\n    reply: " + text + "\n").settings.reply;
  };
  EXPECT_EQ(reply("redis"), (Reply{ReplyKind::kRedis, ""}));
  EXPECT_EQ(reply("mysql"), (Reply{ReplyKind::kMysql, ""}));
  EXPECT_EQ(reply("postgresql"), (Reply{ReplyKind::kPostgresql, ""}));
  EXPECT_EQ(reply("smtp-421"), (Reply{ReplyKind::kSmtp421, ""}));
  EXPECT_EQ(reply(R"({ raw: "busy\r\n" })"), (Reply{ReplyKind::kRaw, "busy\r\n"}));
  EXPECT_EQ(reply(R"({ raw: "\0\x7f" })"), (Reply{ReplyKind::kRaw, std::string("\0\x7f", 2)}));
  const std::string longest(1024, 'r');
  EXPECT_EQ(reply("{ raw: " + longest + " }"), (Reply{ReplyKind::kRaw, longest}));
}

TEST(PolicyGood, ARuleCompletesWhatDefaultsBegin) {
  const Config config = parse_good(R"(
defaults: { reply: redis }
rules:
  - { name: a, listen: 1, on_limit: reply }
  - { name: b, listen: 2, on_limit: reply, reply: mysql }
  - { name: c, listen: 3 }
  - { name: d, listen: 4, on_limit: drop }
)");
  EXPECT_EQ(config.rules[0].settings.reply, (Reply{ReplyKind::kRedis, ""}));
  EXPECT_EQ(config.rules[1].settings.reply, (Reply{ReplyKind::kMysql, ""}));
  EXPECT_EQ(config.rules[2].settings.reply, std::nullopt);
  EXPECT_EQ(config.rules[3].settings.reply, std::nullopt);
  EXPECT_EQ(config.rules[3].settings.on_limit, OnLimit::kDrop);

  const Config other = parse_good(R"(
defaults: { on_limit: reply }
rules:
  - { name: a, listen: 1, reply: redis }
  - { name: b, listen: 2, on_limit: reset }
)");
  EXPECT_EQ(other.rules[0].settings.reply, (Reply{ReplyKind::kRedis, ""}));
  EXPECT_EQ(other.rules[1].settings.reply, std::nullopt);
}

TEST(PolicyGood, OurOwnNetworkPrefixGivesWayToAShortClientPrefix) {
  const Config config = parse_good(R"(
defaults: { client_prefix: { ipv6: 32 } }
rules:
  - { name: a, listen: 1, client_prefix: { ipv4: 16 } }
  - { name: b, listen: 2, network_prefix: { ipv4: 8 } }
  - { name: c, listen: 3, client_prefix: { ipv6: 56 } }
)");
  EXPECT_EQ(config.rules[0].settings.network_prefix, (PrefixLengths{16, 32}));
  EXPECT_EQ(config.rules[1].settings.network_prefix, (PrefixLengths{8, 32}));
  EXPECT_EQ(config.rules[2].settings.network_prefix, (PrefixLengths{24, 48}));
  // As long as the client's is right: then a network is a client.
  EXPECT_EQ(parse_rule("    network_prefix: { ipv4: 32, ipv6: 64 }\n").settings.network_prefix,
            (PrefixLengths{32, 64}));
}

TEST(PolicyGood, ReserveMayBeAllOfTheTotal) {
  EXPECT_EQ(parse_rule("    connections: { reserve: 5, total: 5 }\n").connections.reserve, 5U);
  EXPECT_EQ(parse_rule("    connections: { reserve: 0, total: 0 }\n").connections.reserve, 0U);
}

TEST(PolicyGood, ADenyEntryMayBeShortOrPast) {
  const Config config = parse_good(R"(
rules: []
clients:
  deny:
    - 203.0.113.7
    - "2001:db8::/32"
    - { cidr: 203.0.113.8, until: "1970-01-01T00:00:00Z", reason: "" }
    - { cidr: 203.0.113.9, reason: 'über "alles"', until: 2030-01-01T02:00:00+02:00 }
)");
  ASSERT_EQ(config.clients.deny.size(), 4U);
  EXPECT_EQ(config.clients.deny[0].cidr, prefix("203.0.113.7/32"));
  EXPECT_EQ(config.clients.deny[0].until, std::nullopt);
  EXPECT_EQ(config.clients.deny[1].cidr, prefix("2001:db8::/32"));
  EXPECT_EQ(config.clients.deny[2].until, std::chrono::sys_seconds{});
  EXPECT_EQ(config.clients.deny[3].reason, "über \"alles\"");
  EXPECT_EQ(config.clients.deny[3].until, parse_timestamp("2030-01-01T00:00:00Z"));
}

}  // namespace
}  // namespace headgate::config
