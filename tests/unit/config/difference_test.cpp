// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/difference.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cases.h"
#include "daemon/config/flatten.h"

namespace headgate::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using Kind = Change::Kind;

std::vector<std::string> differences(const std::string& from, const std::string& to) {
  std::vector<std::string> texts;
  for (const Change& change : difference(parse_good(from), parse_good(to))) {
    texts.push_back(to_string(change));
  }
  return texts;
}

std::string web(const std::string& body) {
  return "rules:\n  - name: web\n    listen: 443\n" + body;
}

TEST(Flatten, HasEveryKeyOfARule) {
  const Rule rule = parse_rule(R"(
    mode: monitor
    connections: { per_client: 100, per_network: 1000, total: 20000, reserve: 100 }
    new_connections: { per_client: { rate: 50/s, burst: 100 }, total: 90/m }
    on_limit: reply
    reply: { raw: "busy\r\n" }
    penalty: { after: 100, within: 10s, deny_for: 10m, grow: 2, at_most: 1d }
    overrides:
      - clients: [10.0.0.0/8, "2001:db8::/32"]
        connections: { per_client: 1000, per_network: unlimited }
        new_connections: { per_client: unlimited, per_network: 5/s }
      - { clients: 192.0.2.1, exempt: true }
)");
  EXPECT_THAT(
      flatten(rule),
      ElementsAre(
          Pair("client_prefix.ipv4", "32"), Pair("client_prefix.ipv6", "64"),
          Pair("connections.per_client", "100"), Pair("connections.per_network", "1000"),
          Pair("connections.reserve", "100"), Pair("connections.total", "20000"),
          Pair("count_half_open", "client"), Pair("handshake_timeout", "10s"),
          Pair("listen", "[443]"), Pair("mode", "monitor"), Pair("network_prefix.ipv4", "24"),
          Pair("network_prefix.ipv6", "48"), Pair("new_connections.per_client.burst", "100"),
          Pair("new_connections.per_client.rate", "50/s"), Pair("new_connections.total.burst", "2"),
          Pair("new_connections.total.rate", "90/m"), Pair("on_limit", "reply"),
          Pair("on_table_full", "admit"),
          Pair("overrides[10.0.0.0/8].connections.per_client", "1000"),
          Pair("overrides[10.0.0.0/8].connections.per_network", "unlimited"),
          Pair("overrides[10.0.0.0/8].new_connections.per_client", "unlimited"),
          Pair("overrides[10.0.0.0/8].new_connections.per_network.burst", "5"),
          Pair("overrides[10.0.0.0/8].new_connections.per_network.rate", "5/s"),
          Pair("overrides[192.0.2.1].exempt", "true"),
          Pair("overrides[2001:db8::/32].connections.per_client", "1000"),
          Pair("overrides[2001:db8::/32].connections.per_network", "unlimited"),
          Pair("overrides[2001:db8::/32].new_connections.per_client", "unlimited"),
          Pair("overrides[2001:db8::/32].new_connections.per_network.burst", "5"),
          Pair("overrides[2001:db8::/32].new_connections.per_network.rate", "5/s"),
          Pair("penalty.after", "100"), Pair("penalty.at_most", "1d"),
          Pair("penalty.deny_for", "10m"), Pair("penalty.grow", "2"), Pair("penalty.within", "10s"),
          Pair("reply", R"({ raw: "busy\x0d\x0a" })")));
}

TEST(Difference, OfTheSameMeaningIsNothing) {
  EXPECT_THAT(differences("rules: []", "rules: []"), IsEmpty());
  EXPECT_THAT(differences(R"(
rules:
  - { name: a, listen: ["80", "443/tcp"], handshake_timeout: 60s, on_limit: reset,
      overrides: [{ clients: [10.0.0.1, 10.0.0.2], connections: { per_client: 5 } }] }
  - { name: b, listen: 2, new_connections: { total: 60/m }, connections: { total: unlimited } }
clients: { exempt: [10.0.0.1, 10.0.0.2], deny: [10.0.0.3] }
)",
                          R"(
clients: { deny: [{ cidr: 10.0.0.3/32, reason: "" }], exempt: [10.0.0.2, 10.0.0.1/32] }
defaults: { handshake_timeout: 1m }
rules:
  - { name: b, listen: "2", new_connections: { total: { rate: 60/m, burst: 1 } },
      handshake_timeout: 10s }
  - name: a
    listen: [443, 80]
    overrides:
      - { clients: 10.0.0.2/32, connections: { per_client: 5 } }
      - { clients: 10.0.0.1, connections: { per_client: 5 } }
)"),
              IsEmpty());
}

TEST(Difference, NamesRulesAndKeys) {
  const std::vector<Change> changes = difference(
      parse_good("rules: [{ name: a, listen: 1 },"
                 "{ name: b, listen: 2, connections: { per_client: 100, total: 7 } }]"),
      parse_good("rules: [{ name: c, listen: 1 },"
                 "{ name: b, listen: [2, 3], connections: { per_client: 200, per_network: 9 } }]"));
  EXPECT_THAT(changes,
              ElementsAre(Change{Kind::kRemoved, "a", "", "", ""},
                          Change{Kind::kChanged, "b", "connections.per_client", "100", "200"},
                          Change{Kind::kChanged, "b", "connections.per_network", "none", "9"},
                          Change{Kind::kChanged, "b", "connections.reserve", "0", "none"},
                          Change{Kind::kChanged, "b", "connections.total", "7", "none"},
                          Change{Kind::kChanged, "b", "listen", "[2]", "[2, 3]"},
                          Change{Kind::kAdded, "c", "", "", ""}));
  EXPECT_EQ(to_string(changes[0]), "rule 'a': removed");
  EXPECT_EQ(to_string(changes[1]), "rule 'b': connections.per_client: 100 -> 200");
  EXPECT_EQ(to_string(changes[6]), "rule 'c': added");
}

TEST(Difference, ComparesOverridesByPrefix) {
  EXPECT_THAT(
      differences(
          web("    overrides:\n      - { clients: [10.0.0.0/8, 10.1.0.0/16], connections: { "
              "per_client: 5 } }\n      - { clients: 10.2.0.0/16, exempt: true }\n"),
          web("    overrides:\n      - { clients: [10.0.0.0/8], connections: { per_client: "
              "unlimited } }\n      - { clients: [10.1.0.0/16], exempt: true }\n")),
      ElementsAre("rule 'web': overrides[10.0.0.0/8].connections.per_client: 5 -> unlimited",
                  "rule 'web': overrides[10.1.0.0/16].connections.per_client: 5 -> none",
                  "rule 'web': overrides[10.1.0.0/16].exempt: none -> true",
                  "rule 'web': overrides[10.2.0.0/16].exempt: true -> none"));
}

std::string with_overrides(int first, int last, const std::string& limit) {
  std::string body = "    overrides:\n      - connections: { per_client: " + limit +
                     ", per_network: 9 }\n        clients:\n";
  for (int i = first; i <= last; ++i) body += "          - 10.0.0." + std::to_string(i) + "\n";
  return web(body);
}

TEST(Difference, SummarisesManyOverrides) {
  EXPECT_EQ(differences(with_overrides(1, 20, "5"), with_overrides(1, 20, "6")).size(), 20U);
  EXPECT_THAT(differences(with_overrides(1, 21, "5"), with_overrides(1, 21, "6")),
              ElementsAre("rule 'web': overrides: 21 changed"));
  EXPECT_THAT(
      differences(with_overrides(1, 25, "5"), with_overrides(6, 30, "6") + "    mode: monitor\n"),
      ElementsAre("rule 'web': mode: enforce -> monitor",
                  "rule 'web': overrides: 5 added, 5 removed, 20 changed"));
}

TEST(Difference, CountsClients) {
  EXPECT_THAT(
      differences("rules: []\nclients: { exempt: [10.0.0.1], deny: [10.0.1.1, { cidr: 10.0.1.2, "
                  "reason: a }, 10.0.1.3] }",
                  "rules: []\nclients: { exempt: [10.0.0.2, 10.0.0.3], deny: [{ cidr: 10.0.1.1, "
                  "until: 2030-01-01T00:00:00Z }, { cidr: 10.0.1.2, reason: b }] }"),
      ElementsAre("clients.exempt: 2 added, 1 removed", "clients.deny: 1 removed, 2 changed"));
}

TEST(Difference, SaysWhenTheNamespacesAreOthers) {
  EXPECT_THAT(differences("rules: []", "rules: []\nnetns: [self]\n"), IsEmpty());
  EXPECT_THAT(differences("rules: []\nnetns: all", "rules: []\nnetns: /run/netns/a"),
              ElementsAre("netns: all -> /run/netns/a (at the next start)"));
  EXPECT_THAT(differences("rules: []\nnetns: [/a, '/b, c']", "rules: []\nnetns: ['/b, c', /a]"),
              ElementsAre("netns: [/a, \"/b, c\"] -> [\"/b, c\", /a] (at the next start)"));
}

// The front line follows a reload.
TEST(Difference, OfTheFrontLineChangesAtOnce) {
  EXPECT_THAT(differences("rules: []", "rules: []\nxdp: { interfaces: [], syn_cookies: off }"),
              IsEmpty());
  EXPECT_THAT(
      differences("rules: []\nxdp: { interfaces: [eth0, 'wl*'] }",
                  "rules: []\nxdp: { interfaces: ['wl*', { name: eth0, mode: native }], "
                  "syn_cookies: auto, priority: 7 }"),
      ElementsAre("xdp.interfaces: [eth0, \"wl*\"] -> [\"wl*\", { name: eth0, mode: native }]",
                  "xdp.priority: 50 -> 7", "xdp.syn_cookies: off -> auto"));
}

// A restart would stop the daemon, and it is too late then.
TEST(Difference, WhatIsDoneAtTheStopChangesAtOnce) {
  EXPECT_EQ(difference(parse_good("rules: []"), parse_good("rules: []\non_stop: detach")),
            (std::vector<Change>{{Kind::kChanged, "", "on_stop", "keep", "detach"}}));
}

TEST(Difference, NamesGroups) {
  EXPECT_THAT(
      differences("rules: [{ name: web, listen: [443, { unit: nginx.service }] }]",
                  "rules: [{ name: web, listen: [{ cgroup: app.slice }, 443] }]"),
      ElementsAre(
          "rule 'web': listen: [443, { unit: nginx.service }] -> [443, { cgroup: app.slice }]"));
  EXPECT_THAT(differences("rules: [{ name: web, listen: [443, { unit: nginx.service }] }]",
                          "rules: [{ name: web, listen: [{ unit: 'nginx.service' }, 443/tcp] }]"),
              IsEmpty());
}

TEST(Difference, SaysWhatNeedsARestart) {
  EXPECT_THAT(differences("rules: []", R"(
rules: []
tables: { connections: 2, clients: 1, recent: 1024, penalties: 1024, denied: 1, namespaces: 2 }
metrics: { listen: off }
control: { socket: /c }
replies: { at_once: 1 }
reload: { watch: on }
cgroup: /g
netns: [self, /n]
share_across_netns: true
pin_dir: /p
)"),
              ElementsAre("cgroup: auto -> /g (at the next start)",
                          "control.socket: /run/headgate/control.sock -> /c (at the next start)",
                          "metrics.listen: 127.0.0.1:9469 -> off (at the next start)",
                          "netns: self -> [self, /n] (at the next start)",
                          "pin_dir: /sys/fs/bpf/headgate -> /p (at the next start)",
                          "reload.watch: off -> on (at the next start)",
                          "replies.at_once: 1024 -> 1 (at the next start)",
                          "share_across_netns: false -> true (at the next start)",
                          "tables.clients: 262144 -> 1 (at the next start)",
                          "tables.connections: 1048576 -> 2 (at the next start)",
                          "tables.denied: 1048576 -> 1 (at the next start)",
                          "tables.namespaces: 64 -> 2 (at the next start)",
                          "tables.penalties: 65536 -> 1024 (at the next start)",
                          "tables.recent: 65536 -> 1024 (at the next start)"));
}

}  // namespace
}  // namespace headgate::config
