// SPDX-License-Identifier: Apache-2.0
//
// Every bad value of rates, networks, penalties, overrides, replies and lists of clients.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cases.h"

namespace headgate::config {
namespace {

const std::string kAMap = "; a map of 'key: value' lines would be right";
const std::string kAPrefix =
    "; an address such as 192.0.2.1 or a prefix such as 10.0.0.0/8 or \"2001:db8::/32\" would be "
    "right";

TEST(PolicyBad, UnknownKeys) {
  expect_messages({
      {rule_with("new_connections: { per_clients: 5/s }"),
       "f:4:24: unknown key 'per_clients' in new_connections; did you mean 'per_client'? Known "
       "keys: per_client, per_network, total"},
      {rule_with("new_connections: { total: { rate: 5/s, bursts: 5 } }"),
       "f:4:44: unknown key 'bursts' in new_connections.total; did you mean 'burst'? Known keys: "
       "rate, burst"},
      {rule_with("penalty: { for: 5s }"),
       "f:4:16: unknown key 'for' in penalty; known keys: after, within, deny_for, grow, at_most"},
      {rule_with("network_prefix: { ipv5: 5 }"),
       "f:4:23: unknown key 'ipv5' in network_prefix; did you mean 'ipv4'? Known keys: ipv4, ipv6"},
      {rule_with("reply: { text: x }"), "f:4:14: unknown key 'text' in reply; known keys: raw"},
      {rule_with("overrides: [{ client: 10.0.0.1 }]"),
       "f:4:19: unknown key 'client' in an override; did you mean 'clients'? Known keys: clients, "
       "connections, new_connections, exempt"},
      {rule_with("overrides: [{ clients: 10.0.0.1, connections: { total: 5 } }]"),
       "f:4:53: unknown key 'total' in overrides.connections; known keys: per_client, per_network"},
      {rule_with("overrides: [{ clients: 10.0.0.1, new_connections: { total: 5/s } }]"),
       "f:4:57: unknown key 'total' in overrides.new_connections; known keys: per_client, "
       "per_network"},
      {"rules: []\nclients: { allow: [] }",
       "f:2:12: unknown key 'allow' in clients; known keys: exempt, deny"},
      {"rules: []\nclients: { deny: [{ ip: 10.0.0.1 }] }",
       "f:2:21: unknown key 'ip' in a deny entry; known keys: cidr, reason, until"},
      {"rules: []\nreplies: { at_one: 5 }",
       "f:2:12: unknown key 'at_one' in replies; did you mean 'at_once'? Known keys: at_once"},
      {"rules: []\nreload: { watches: on }",
       "f:2:11: unknown key 'watches' in reload; did you mean 'watch'? Known keys: watch"},
      {"rules: []\ntables: { half_open: 65536 }",
       "f:2:11: unknown key 'half_open' in tables; known keys: connections, clients, recent, "
       "penalties, denied, namespaces"},
  });
}

TEST(PolicyBad, Numbers) {
  const auto whole = [](const std::string& low, const std::string& high) {
    return "; a whole number from " + low + " to " + high + " would be right";
  };
  const auto section = [](const std::string& line) { return "rules: []\n" + line; };
  std::vector<Case> cases;
  for (const std::string bad : {"-1", "many", "1e3", "~", "[1]", "2.5", "99999999999"}) {
    const std::string is = bad == "~" ? "empty" : bad == "[1]" ? "a list" : "'" + bad + "'";
    const auto add = [&](const std::string& yaml, int column, const std::string& key,
                         const std::string& right) {
      const std::string line = yaml.starts_with("rules: []") ? "2" : "4";
      cases.push_back(
          {yaml, "f:" + line + ":" + std::to_string(column) + ": '" + key + "' is " + is + right});
    };
    const std::string connections =
        "; a whole number from 0 to 1000000000 or 'unlimited' would be right";
    add(rule_with("connections: { per_network: " + bad + " }"), 33, "connections.per_network",
        connections);
    add(rule_with("connections: { total: 9, reserve: " + bad + " }"), 39, "connections.reserve",
        whole("0", "1000000000"));
    add(rule_with("new_connections: { total: { rate: 5/s, burst: " + bad + " } }"), 51,
        "new_connections.total.burst", whole("1", "1000000"));
    add(rule_with("penalty: { after: " + bad + ", within: 1s, deny_for: 1s }"), 23, "penalty.after",
        whole("1", "1000000"));
    add(rule_with("penalty: { after: 1, within: 1s, deny_for: 1s, grow: " + bad + " }"), 58,
        "penalty.grow", whole("1", "100"));
    add(rule_with("network_prefix: { ipv4: " + bad + " }"), 29, "network_prefix.ipv4",
        whole("0", "32"));
    add(rule_with("network_prefix: { ipv6: " + bad + " }"), 29, "network_prefix.ipv6",
        whole("0", "128"));
    add(rule_with("overrides: [{ clients: 10.0.0.1, connections: { per_client: " + bad + " } }]"),
        65, "overrides.connections.per_client", connections);
    add(rule_with("overrides: [{ clients: 10.0.0.1, connections: { per_network: " + bad + " } }]"),
        66, "overrides.connections.per_network", connections);
    add(section("tables: { penalties: " + bad + " }"), 22, "tables.penalties",
        whole("1024", "16777216"));
    add(section("tables: { denied: " + bad + " }"), 19, "tables.denied", whole("1", "16777216"));
    add(section("tables: { connections: " + bad + " }"), 24, "tables.connections",
        whole("2", "16777216"));
    add(section("replies: { at_once: " + bad + " }"), 21, "replies.at_once", whole("1", "16384"));
  }
  expect_messages(cases);
}

TEST(PolicyBad, NumbersBeyondTheirRange) {
  const auto wrong = [](const std::string& yaml, const std::string& number) {
    const Result<Config> config = parse(yaml, "f");
    ASSERT_FALSE(config.has_value()) << yaml;
    EXPECT_NE(config.error().message.find("is '" + number + "'; a whole number from"),
              std::string::npos)
        << config.error().message;
  };
  wrong(rule_with("new_connections: { total: { rate: 5/s, burst: 0 } }"), "0");
  wrong(rule_with("new_connections: { total: { rate: 5/s, burst: 1000001 } }"), "1000001");
  wrong(rule_with("penalty: { after: 0, within: 1s, deny_for: 1s }"), "0");
  wrong(rule_with("penalty: { after: 1000001, within: 1s, deny_for: 1s }"), "1000001");
  wrong(rule_with("penalty: { after: 1, within: 1s, deny_for: 1s, grow: 0 }"), "0");
  wrong(rule_with("penalty: { after: 1, within: 1s, deny_for: 1s, grow: 101 }"), "101");
  wrong(rule_with("network_prefix: { ipv4: 33 }"), "33");
  wrong(rule_with("network_prefix: { ipv6: 129 }"), "129");
  wrong("rules: []\ntables: { penalties: 1023 }", "1023");
  wrong("rules: []\ntables: { denied: 0 }", "0");
  wrong("rules: []\ntables: { denied: 16777217 }", "16777217");
  wrong("rules: []\ntables: { connections: 1 }", "1");
  wrong("rules: []\nreplies: { at_once: 0 }", "0");
  wrong("rules: []\nreplies: { at_once: 16385 }", "16385");
}

TEST(PolicyBad, Rates) {
  const std::string in_map = "; a rate from 1/h to 1000000/s such as 50/s would be right";
  const std::string limit =
      "; a rate from 1/h to 1000000/s such as 50/s, { rate: 50/s, burst: 100 } or 'unlimited' "
      "would be right";
  std::vector<Case> cases;
  for (const std::string bad :
       {"50", "0/s", "-5/s", "1.5/s", "1000001/s", "50/d", "50 / s", "fast", "''", "~", "[5/s]"}) {
    const std::string is = bad == "~"       ? "empty"
                           : bad == "[5/s]" ? "a list"
                           : bad == "''"    ? "''"
                                            : "'" + bad + "'";
    for (const std::string level : {"per_client", "per_network", "total"}) {
      const std::string column = std::to_string(26 + level.size());
      cases.push_back({rule_with("new_connections: { " + level + ": " + bad + " }"),
                       "f:4:" + column + ": 'new_connections." + level + "' is " + is + limit});
    }
    cases.push_back({rule_with("new_connections: { total: { rate: " + bad + " } }"),
                     "f:4:39: 'new_connections.total.rate' is " + is + in_map});
    cases.push_back({rule_with("overrides: [{ clients: 10.0.0.1, new_connections: { per_client: " +
                               bad + " } }]"),
                     "f:4:69: 'overrides.new_connections.per_client' is " + is + limit});
  }
  cases.push_back(
      {rule_with("new_connections: { total: { burst: 5 } }"),
       "f:4:31: 'rate' is missing from new_connections.total; 'rate: …' would be right"});
  cases.push_back({rule_with("new_connections: { total: { rate: { rate: 5/s } } }"),
                   "f:4:39: 'new_connections.total.rate' is a map" + in_map});
  cases.push_back(
      {rule_with("new_connections: 50/s"), "f:4:22: 'new_connections' is '50/s'" + kAMap});
  expect_messages(cases);
}

TEST(PolicyBad, Penalties) {
  const auto penalty = [](const std::string& body) { return rule_with("penalty: " + body); };
  const std::string units = " with its unit (ms, s, m, h or d) such as 10s would be right";
  const std::string right = "; { after: 100, within: 10s, deny_for: 10m } or off would be right";
  std::vector<Case> cases = {
      {penalty("on"), "f:4:14: 'penalty' is 'on'" + right},
      {penalty("10m"), "f:4:14: 'penalty' is '10m'" + right},
      {penalty("~"), "f:4:14: 'penalty' is empty" + right},
      {penalty("[]"), "f:4:14: 'penalty' is a list" + right},
      {penalty("{ within: 1s, deny_for: 1s }"),
       "f:4:14: 'after' is missing from penalty; 'after: …' would be right"},
      {penalty("{ after: 1, deny_for: 1s }"),
       "f:4:14: 'within' is missing from penalty; 'within: …' would be right"},
      {penalty("{ after: 1, within: 1s }"),
       "f:4:14: 'deny_for' is missing from penalty; 'deny_for: …' would be right"},
      {penalty("{ after: 1, within: 1s, deny_for: 1h, at_most: 59m }"),
       "f:4:61: 'penalty.at_most' is '59m'; a time from 1h to 365d" + units},
      {penalty("{ after: 1, within: 1s, deny_for: 1h, at_most: 366d }"),
       "f:4:61: 'penalty.at_most' is '366d'; a time from 1h to 365d" + units},
      {"rules: []\ndefaults: { penalty: off }",
       "f:2:13: unknown key 'penalty' in defaults; known keys: client_prefix, network_prefix, "
       "mode, handshake_timeout, count_half_open, on_limit, reply, on_table_full"},
  };
  for (const std::string bad : {"0s", "999ms", "61m", "1", "soon", "1d"}) {
    cases.push_back({penalty("{ after: 1, within: " + bad + ", deny_for: 1s }"),
                     "f:4:34: 'penalty.within' is '" + bad + "'; a time from 1s to 1h" + units});
  }
  for (const std::string bad : {"0s", "999ms", "366d", "8761h", "forever", "-1s"}) {
    cases.push_back(
        {penalty("{ after: 1, within: 1s, deny_for: " + bad + " }"),
         "f:4:48: 'penalty.deny_for' is '" + bad + "'; a time from 1s to 365d" + units});
  }
  expect_messages(cases);
}

TEST(PolicyBad, ReserveWithoutItsTotal) {
  expect_messages({
      {rule_with("connections: { reserve: 5 }"),
       "f:4:29: 'connections.reserve' keeps connections of 'connections.total', which has no "
       "limit; 'total' beside it would be right"},
      {rule_with("connections: { total: unlimited, reserve: 5 }"),
       "f:4:47: 'connections.reserve' keeps connections of 'connections.total', which has no "
       "limit; 'total' beside it would be right"},
      {rule_with("connections: { reserve: 6, total: 5 }"),
       "f:4:29: 'connections.reserve' is 6, more than 'connections.total'; a whole number from 0 "
       "to 5 would be right"},
  });
}

TEST(PolicyBad, RepliesThatDoNotFit) {
  const std::string no_reply =
      "'on_limit' is 'reply' but no 'reply' says with what; 'reply: http-429' or another kind "
      "beside it would be right";
  const std::string kinds =
      "; 'http-429' or 'redis' or 'mysql' or 'postgresql' or 'smtp-421' or { raw: \"…\" } would be "
      "right";
  const std::string raw = "; text of 1 to 1024 bytes such as \"busy\\r\\n\" would be right";
  expect_messages({
      {rule_with("on_limit: reply"), "f:4:15: " + no_reply},
      {"defaults: { on_limit: reply }\nrules:\n  - { name: a, listen: 1 }", "f:3:5: " + no_reply},
      {rule_with("reply: redis"),
       "f:4:12: 'reply' has no effect while 'on_limit' is 'reset'; 'on_limit: reply' beside it "
       "would be right"},
      {rule_with("on_limit: drop\n    reply: redis"),
       "f:5:12: 'reply' has no effect while 'on_limit' is 'drop'; 'on_limit: reply' beside it "
       "would be right"},
      {rule_with("reply: http"), "f:4:12: 'reply' is 'http'" + kinds},
      {rule_with("reply: raw"), "f:4:12: 'reply' is 'raw'" + kinds},
      {rule_with("reply: ~"), "f:4:12: 'reply' is empty" + kinds},
      {rule_with("reply: [redis]"), "f:4:12: 'reply' is a list" + kinds},
      {rule_with("reply: {}"), "f:4:12: 'raw' is missing from reply; 'raw: …' would be right"},
      {rule_with("reply: { raw: '' }"), "f:4:19: 'reply.raw' is ''" + raw},
      {rule_with("reply: { raw: ~ }"), "f:4:19: 'reply.raw' is empty" + raw},
      {rule_with("reply: { raw: {} }"), "f:4:19: 'reply.raw' is a map" + raw},
      {rule_with("reply: { raw: " + std::string(1025, 'r') + " }"),
       "f:4:19: 'reply.raw' is '" + std::string(80, 'r') + "…'" + raw},
  });
}

TEST(PolicyBad, NetworksNarrowerThanClients) {
  const auto message = [](const std::string& place, const std::string& family,
                          const std::string& network, const std::string& client) {
    return place + ": 'network_prefix." + family + "' is " + network +
           ", longer than 'client_prefix." + family + "', which is " + client + "; at most " +
           client + " would be right";
  };
  expect_messages({
      {rule_with("network_prefix: { ipv6: 65 }"), message("f:4:21", "ipv6", "65", "64")},
      {"defaults: { network_prefix: { ipv4: 24 } }\nrules:\n  - name: a\n    listen: 1\n"
       "    client_prefix: { ipv4: 16 }\n",
       message("f:5:20", "ipv4", "24", "16")},
      {"defaults: { client_prefix: { ipv4: 16 } }\nrules:\n  - name: a\n    listen: 1\n"
       "    network_prefix: { ipv4: 17 }\n",
       message("f:5:21", "ipv4", "17", "16")},
      {"rules: []\ndefaults: { client_prefix: { ipv6: 48 }, network_prefix: { ipv6: 56 } }",
       message("f:2:58", "ipv6", "56", "48")},
  });
}

TEST(PolicyBad, Overrides) {
  const auto overrides = [](const std::string& text) { return rule_with("overrides: " + text); };
  const std::string list = "; a list of '- clients: …' items would be right";
  const std::string clients = "; a list such as [10.0.0.0/8, \"2001:db8::/32\"] would be right";
  const std::string both =
      "this override has 'exempt: true' and limits, which do not hold for exempt clients; one or "
      "the other would be right";
  const std::string nothing =
      "this override sets nothing; 'connections: { per_client: 1000 }', another limit or 'exempt: "
      "true' would be right";
  expect_messages({
      {overrides("{}"), "f:4:16: 'overrides' is a map" + list},
      {overrides("~"), "f:4:16: 'overrides' is empty" + list},
      {overrides("none"), "f:4:16: 'overrides' is 'none'" + list},
      {overrides("[10.0.0.1]"), "f:4:17: 'overrides' is '10.0.0.1'" + kAMap},
      {overrides("[{ exempt: true }]"),
       "f:4:17: 'clients' is missing from an override; 'clients: …' would be right"},
      {overrides("[{ clients: [], exempt: true }]"),
       "f:4:28: 'overrides.clients' is a list" + clients},
      {overrides("[{ clients: ~, exempt: true }]"),
       "f:4:28: 'overrides.clients' is empty" + clients},
      {overrides("[{ clients: {}, exempt: true }]"),
       "f:4:28: 'overrides.clients' is a map" + clients},
      {overrides("[{ clients: ten }]"), "f:4:28: 'overrides.clients' is 'ten'" + kAPrefix},
      {overrides("[{ clients: [10.0.0.0/33] }]"),
       "f:4:29: 'overrides.clients': '10.0.0.0/33' has a bad length; 0 to 32 would be right"},
      {overrides("[{ clients: [10.0.0.1/8] }]"),
       "f:4:29: 'overrides.clients': '10.0.0.1/8' has bits set after its length; 10.0.0.0/8 would "
       "be right"},
      {overrides("[{ clients: 10.0.0.1 }]"), "f:4:17: " + nothing},
      {overrides("[{ clients: 10.0.0.1, exempt: false }]"), "f:4:17: " + nothing},
      {overrides("[{ clients: 10.0.0.1, connections: {} }]"), "f:4:17: " + nothing},
      {overrides("[{ clients: 10.0.0.1, exempt: yes }]"),
       "f:4:46: 'overrides.exempt' is 'yes'; 'true' or 'false' would be right"},
      {overrides("[{ clients: 10.0.0.1, exempt: true, connections: { per_client: 5 } }]"),
       "f:4:17: " + both},
      {overrides("[{ clients: 10.0.0.1, exempt: true, new_connections: { per_network: 5/s } }]"),
       "f:4:17: " + both},
      {overrides("[{ clients: [10.0.0.0/8, 10.0.0.0/8], exempt: true }]"),
       "f:4:41: duplicate prefix '10.0.0.0/8', first at line 4; each prefix once would be right"},
      {overrides(
           "[{ clients: 10.0.0.1, exempt: true },\n      { clients: 10.0.0.1/32, exempt: true }]"),
       "f:5:18: duplicate prefix '10.0.0.1', first at line 4; each prefix once would be right"},
      {overrides("[{ clients: [\"::ffff:10.0.0.1\", 10.0.0.1], exempt: true }]"),
       "f:4:48: duplicate prefix '10.0.0.1', first at line 4; each prefix once would be right"},
  });
}

TEST(PolicyBad, ListsOfClients) {
  const auto clients = [](const std::string& text) { return "rules: []\nclients: " + text; };
  const std::string exempt = "; a list such as [127.0.0.0/8, \"::1\"] would be right";
  const std::string deny =
      "; a list such as [198.51.100.0/24, { cidr: 203.0.113.7 }] would be right";
  const std::string reason = "; at most 200 bytes of text in one line would be right";
  const auto entry = [&](const std::string& text) { return clients("{ deny: [" + text + "] }"); };
  expect_messages({
      {clients("[10.0.0.1]"), "f:2:10: 'clients' is a list" + kAMap},
      {clients("{ exempt: 10.0.0.1 }"), "f:2:20: 'clients.exempt' is '10.0.0.1'" + exempt},
      {clients("{ exempt: ~ }"), "f:2:20: 'clients.exempt' is empty" + exempt},
      {clients("{ exempt: [~] }"), "f:2:21: 'clients.exempt' is empty" + kAPrefix},
      {clients("{ exempt: [localhost] }"), "f:2:21: 'clients.exempt' is 'localhost'" + kAPrefix},
      {clients("{ exempt: [10.0.0.0/08] }"),
       "f:2:21: 'clients.exempt': '10.0.0.0/08' has a bad length; 0 to 32 would be right"},
      {clients("{ exempt: [" + std::string(65, '1') + "] }"),
       "f:2:21: 'clients.exempt' is '" + std::string(65, '1') + "'" + kAPrefix},
      {clients("{ exempt: [10.0.0.1, 10.0.0.1] }"),
       "f:2:31: duplicate prefix '10.0.0.1', first at line 2; each prefix once would be right"},
      {clients("{ deny: 10.0.0.1 }"), "f:2:18: 'clients.deny' is '10.0.0.1'" + deny},
      {clients("{ deny: {} }"), "f:2:18: 'clients.deny' is a map" + deny},
      {entry("[]"),
       "f:2:19: 'clients.deny' is a list; a prefix such as 198.51.100.0/24 or { cidr: "
       "198.51.100.0/24 } would be right"},
      {entry("~"),
       "f:2:19: 'clients.deny' is empty; a prefix such as 198.51.100.0/24 or { cidr: "
       "198.51.100.0/24 } would be right"},
      {entry("10.0.0.1/8"),
       "f:2:19: 'clients.deny': '10.0.0.1/8' has bits set after its length; 10.0.0.0/8 would be "
       "right"},
      {entry("{ reason: x }"),
       "f:2:19: 'cidr' is missing from a deny entry; 'cidr: …' would be right"},
      {entry("{ cidr: ~ }"), "f:2:27: 'clients.deny.cidr' is empty" + kAPrefix},
      {entry("{ cidr: [10.0.0.1] }"), "f:2:27: 'clients.deny.cidr' is a list" + kAPrefix},
      {entry("10.0.0.1, { cidr: 10.0.0.1 }"),
       "f:2:37: duplicate prefix '10.0.0.1', first at line 2; each prefix once would be right"},
      {entry("{ cidr: 10.0.0.1, reason: ~ }"), "f:2:45: 'clients.deny.reason' is empty" + reason},
      {entry("{ cidr: 10.0.0.1, reason: [x] }"),
       "f:2:45: 'clients.deny.reason' is a list" + reason},
      {entry("{ cidr: 10.0.0.1, reason: \"a\\nb\" }"),
       "f:2:45: 'clients.deny.reason' is 'a\\x0ab'" + reason},
      {entry("{ cidr: 10.0.0.1, reason: \"\\e[1m\" }"),
       "f:2:45: 'clients.deny.reason' is '\\x1b[1m'" + reason},
      {entry("{ cidr: 10.0.0.1, reason: " + std::string(201, 'r') + " }"),
       "f:2:45: 'clients.deny.reason' is '" + std::string(80, 'r') + "…'" + reason},
  });
}

// Every form of a time is the business of timestamp_test.cpp; here: that the place is right.
TEST(PolicyBad, DenyUntil) {
  const std::string right =
      "; a time from 1970 to 2200 such as 2030-01-01T00:00:00Z or 2030-01-01T02:00:00+02:00 would "
      "be right";
  std::vector<Case> cases;
  for (const std::string bad : {"2030-01-01", "tomorrow", "2030-02-29T00:00:00Z", "10m",
                                "2030-01-01T24:00:00Z", "2201-01-01T00:00:00Z", "1893456000"}) {
    cases.push_back({"rules: []\nclients:\n  deny:\n    - cidr: 10.0.0.1\n      until: " + bad,
                     "f:5:14: 'clients.deny.until' is '" + bad + "'" + right});
  }
  cases.push_back({"rules: []\nclients: { deny: [{ cidr: 10.0.0.1, until: ~ }] }",
                   "f:2:44: 'clients.deny.until' is empty" + right});
  expect_messages(cases);
}

}  // namespace
}  // namespace headgate::config
