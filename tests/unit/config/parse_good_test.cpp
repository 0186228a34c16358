// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <gtest/gtest.h>

#include "cases.h"
#include "daemon/config/listen.h"
#include "daemon/config/parse.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

TEST(ParseGood, NoRulesIsAConfigurationOfDefaults) {
  const Config config = parse_good("rules: []\n");
  EXPECT_TRUE(config.rules.empty());
  EXPECT_EQ(config.tables.clients, 262'144U);
  EXPECT_EQ(config.tables.recent, 65'536U);
  EXPECT_EQ(config.metrics_listen, "127.0.0.1:9469");
  EXPECT_EQ(config.control_socket, "/run/headgate/control.sock");
  EXPECT_EQ(config.cgroup, "auto");
  EXPECT_EQ(config.netns, (Namespaces{{"self"}, false, false}));
  EXPECT_EQ(config.tables.namespaces, 64U);
  EXPECT_EQ(config.pin_dir, "/sys/fs/bpf/headgate");
  EXPECT_EQ(config.on_stop, OnStop::kKeep);
}

TEST(ParseGood, ARuleHasDefaultsOfItsOwn) {
  const Rule rule = parse_rule("");
  EXPECT_EQ(rule.name, "web");
  EXPECT_EQ(rule.connections.per_client, std::nullopt);
  EXPECT_EQ(rule.connections.total, std::nullopt);
  EXPECT_EQ(rule.settings.client_prefix.ipv4, 32);
  EXPECT_EQ(rule.settings.client_prefix.ipv6, 64);
  EXPECT_EQ(rule.settings.handshake_timeout, 10s);
  EXPECT_EQ(rule.settings.count_half_open, CountHalfOpen::kClient);
  EXPECT_EQ(rule.settings.on_limit, OnLimit::kReset);
  EXPECT_EQ(rule.settings.on_table_full, OnTableFull::kAdmit);
}

TEST(ParseGood, ReadsEveryKey) {
  const Config config = parse_good(R"(
defaults: { client_prefix: { ipv4: 24, ipv6: 48 }, handshake_timeout: 5s, count_half_open: all,
            on_limit: reset, on_table_full: refuse }
rules:
  - name: web
    listen: ["443", "192.0.2.10:8443", "[2001:db8::1]:8000-8010", { unit: nginx.service }]
    connections: { per_client: 100, total: 20000 }
tables: { clients: 1000, recent: 2000, namespaces: 3 }
metrics: { listen: "[::1]:9469" }
control: { socket: /tmp/headgate.sock }
cgroup: /sys/fs/cgroup/web.slice
netns: [self, /run/netns/web]
share_across_netns: true
pin_dir: /sys/fs/bpf/web
on_stop: detach
)");
  ASSERT_EQ(config.rules.size(), 1U);
  const Rule& rule = config.rules.front();
  ASSERT_EQ(rule.listen.size(), 4U);
  EXPECT_EQ(to_string(rule.listen[0]), "443");
  EXPECT_EQ(to_string(rule.listen[1]), "192.0.2.10:8443");
  EXPECT_EQ(to_string(rule.listen[2]), "[2001:db8::1]:8000-8010");
  EXPECT_EQ(to_string(rule.listen[3]), "unit:nginx.service");
  EXPECT_EQ(rule.connections.per_client, 100U);
  EXPECT_EQ(rule.connections.total, 20'000U);
  EXPECT_EQ(rule.settings.client_prefix.ipv4, 24);
  EXPECT_EQ(rule.settings.client_prefix.ipv6, 48);
  EXPECT_EQ(rule.settings.handshake_timeout, 5s);
  EXPECT_EQ(rule.settings.count_half_open, CountHalfOpen::kAll);
  EXPECT_EQ(rule.settings.on_table_full, OnTableFull::kRefuse);
  EXPECT_EQ(config.tables.clients, 1000U);
  EXPECT_EQ(config.tables.recent, 2000U);
  EXPECT_EQ(config.metrics_listen, "[::1]:9469");
  EXPECT_EQ(config.control_socket, "/tmp/headgate.sock");
  EXPECT_EQ(config.cgroup, "/sys/fs/cgroup/web.slice");
  EXPECT_EQ(config.netns, (Namespaces{{"self", "/run/netns/web"}, false, true}));
  EXPECT_EQ(config.tables.namespaces, 3U);
  EXPECT_EQ(config.pin_dir, "/sys/fs/bpf/web");
  EXPECT_EQ(config.on_stop, OnStop::kDetach);
}

TEST(ParseGood, KnowsWhereRulesAndListenEntriesStand) {
  const Config config = parse_good("rules:\n  - name: web\n    listen:\n      - 443\n      - 80\n");
  const Rule& rule = config.rules.at(0);
  EXPECT_EQ(rule.position.line, 2);
  EXPECT_EQ(rule.position.column, 5);
  EXPECT_EQ(rule.listen.at(1).position.line, 5);
  EXPECT_EQ(rule.listen.at(1).position.column, 9);
}

TEST(ParseGood, ARuleOverridesDefaultsKeyByKeyWhereverTheyStand) {
  const Config config = parse_good(R"(
rules:
  - { name: a, listen: 1, client_prefix: { ipv4: 16 }, count_half_open: none }
  - { name: b, listen: 2 }
defaults: { client_prefix: { ipv4: 24, ipv6: 56 }, handshake_timeout: 3s }
)");
  const RuleSettings& a = config.rules.at(0).settings;
  EXPECT_EQ(a.client_prefix.ipv4, 16);
  EXPECT_EQ(a.client_prefix.ipv6, 56);
  EXPECT_EQ(a.handshake_timeout, 3s);
  EXPECT_EQ(a.count_half_open, CountHalfOpen::kNone);
  const RuleSettings& b = config.rules.at(1).settings;
  EXPECT_EQ(b.client_prefix.ipv4, 24);
  EXPECT_EQ(b.count_half_open, CountHalfOpen::kClient);
}

TEST(ParseGood, TakesTheEdgesOfEveryRange) {
  EXPECT_EQ(parse_rule("    connections: { per_client: 0, total: 1000000000 }\n").connections.total,
            kMaxConnections);
  EXPECT_EQ(parse_rule("    connections: { per_client: 0 }\n").connections.per_client, 0U);
  EXPECT_EQ(parse_rule("    handshake_timeout: 100ms\n").settings.handshake_timeout, 100ms);
  EXPECT_EQ(parse_rule("    handshake_timeout: 1h\n").settings.handshake_timeout, 1h);
  EXPECT_EQ(parse_rule("    handshake_timeout: '60m'\n").settings.handshake_timeout, 1h);
  EXPECT_EQ(parse_rule("    client_prefix: { ipv4: 0, ipv6: 0 }\n").settings.client_prefix.ipv4, 0);
  EXPECT_EQ(parse_rule("    client_prefix: { ipv6: 128 }\n").settings.client_prefix.ipv6, 128);
  EXPECT_EQ(parse_good("rules: []\ntables: { clients: 1, recent: 1024 }").tables.clients, 1U);
  EXPECT_EQ(parse_good("rules: []\ntables: { recent: 16777216 }").tables.recent, 16'777'216U);
  const std::string longest_name(63, 'n');
  EXPECT_EQ(parse_good("rules: [{ name: " + longest_name + ", listen: 1 }]").rules.at(0).name,
            longest_name);
  const std::string longest_socket = "/" + std::string(106, 's');
  EXPECT_EQ(parse_good("rules: []\ncontrol: { socket: " + longest_socket + " }").control_socket,
            longest_socket);
}

TEST(ParseGood, EmptyMapsChangeNothing) {
  const Config config =
      parse_good("defaults: {}\nrules: []\ntables: {}\nmetrics: {}\ncontrol: {}\n");
  EXPECT_EQ(config.metrics_listen, "127.0.0.1:9469");
  EXPECT_EQ(parse_rule("    connections: {}\n").connections.per_client, std::nullopt);
}

TEST(ParseGood, ListenIsAListOrOneEntryQuotedOrNot) {
  for (const std::string listen :
       {"443", "'443'", "\"443/tcp\"", "[443]", "['443']", "\n      - 443", "\n    - '443'"}) {
    const Config config = parse_good("rules:\n  - name: web\n    listen: " + listen + "\n");
    ASSERT_EQ(config.rules.size(), 1U) << listen;
    EXPECT_EQ(to_string(config.rules[0].listen.at(0)), "443") << listen;
  }
}

TEST(ParseGood, MetricsCanBeOff) {
  EXPECT_EQ(parse_good("rules: []\nmetrics: { listen: off }").metrics_listen, std::nullopt);
  EXPECT_EQ(parse_good("rules: []\nmetrics: { listen: 'off' }").metrics_listen, std::nullopt);
}

TEST(ParseGood, AnAliasSharesASetting) {
  const Config config = parse_good(R"(
rules:
  - { name: a, listen: 1, connections: &limits { per_client: 7 } }
  - { name: b, listen: 2, connections: *limits }
)");
  EXPECT_EQ(config.rules.at(1).connections.per_client, 7U);
}

TEST(ParseGood, TakesJsonAByteOrderMarkAndWindowsLineEnds) {
  EXPECT_EQ(parse_good(R"({"rules": [{"name": "web", "listen": ["443"]}]})").rules.size(), 1U);
  EXPECT_EQ(parse_good("\xef\xbb\xbfrules: []\n").rules.size(), 0U);
  EXPECT_EQ(parse_good("rules:\r\n  - name: web\r\n    listen: 443\r\n").rules.at(0).name, "web");
}

TEST(ParseGood, TakesEveryStyleOfText) {
  for (const std::string style :
       {"auto", "'auto'", "\"au\\x74o\"", "|-\n  auto", ">-\n  auto\n\n"}) {
    EXPECT_EQ(parse_good("rules: []\ncgroup: " + style).cgroup, "auto") << style;
  }
}

TEST(ParseGood, TakesAsManyRulesAsTheKernelHolds) {
  std::string yaml = "rules:\n";
  for (std::size_t i = 1; i <= kMaxRules; ++i) {
    yaml += "  - { name: r" + std::to_string(i) + ", listen: " + std::to_string(i) + " }\n";
  }
  EXPECT_EQ(parse_good(yaml).rules.size(), kMaxRules);
}

TEST(ParseGood, TheExampleInTheDocumentationIsRight) {
  const Result<Config> config = load(HEADGATE_EXAMPLE_CONFIG);
  ASSERT_TRUE(config.has_value()) << config.error().message;
  ASSERT_EQ(config->rules.size(), 4U);
  EXPECT_EQ(config->rules[0].name, "web");
  EXPECT_EQ(config->rules[0].connections.per_client, 100U);
  EXPECT_EQ(config->rules[0].connections.total, 20'000U);
  EXPECT_EQ(config->rules[0].overrides.size(), 2U);
  EXPECT_EQ(config->rules[1].name, "mail");
  EXPECT_EQ(config->rules[1].settings.reply, (Reply{ReplyKind::kSmtp421, ""}));
  EXPECT_EQ(config->rules[2].name, "redis");
  EXPECT_EQ(config->rules[3].name, "app");
  EXPECT_EQ(config->rules[3].listen.at(0).unit, "app.service");
  EXPECT_EQ(config->clients.deny.size(), 1U);
}

}  // namespace
}  // namespace headgate::config
