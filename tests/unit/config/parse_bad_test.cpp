// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cases.h"
#include "daemon/config/parse.h"

namespace headgate::config {
namespace {

const std::string kKeys =
    "nown keys: defaults, rules, clients, tables, metrics, control, replies, reload, cgroup, "
    "netns, "
    "share_across_netns, xdp, quotas, pin_dir, on_stop";
const std::string kRuleKeys =
    "nown keys: name, listen, connections, new_connections, penalty, overrides, client_prefix, "
    "network_prefix, mode, handshake_timeout, count_half_open, on_limit, reply, on_table_full";
const std::string kAMap = "; a map of 'key: value' lines would be right";

TEST(ParseBad, NothingAtAll) {
  const std::string empty =
      "f:1:1: the file is empty; at least 'rules: [{ name: web, listen: [443], connections: { "
      "per_client: 100 } }]' would be right";
  expect_messages({{"", empty}, {"\n \n", empty}, {"# a comment\n", empty}});
}

TEST(ParseBad, NotAMap) {
  expect_messages({
      {"hello", "f:1:1: this is 'hello'" + kAMap},
      {"- a", "f:1:1: this is a list" + kAMap},
      {"5", "f:1:1: this is '5'" + kAMap},
  });
}

TEST(ParseBad, UnknownKeys) {
  expect_messages({
      {"rulse: []",
       "f:1:1: unknown key 'rulse' in the configuration; did you mean 'rules'? K" + kKeys},
      {"rules: []\nspeed: 5", "f:2:1: unknown key 'speed' in the configuration; k" + kKeys},
      {"rules: []\nRules: []",
       "f:2:1: unknown key 'Rules' in the configuration; did you mean 'rules'? K" + kKeys},
      {"rules: []\n\"\": 1", "f:2:1: unknown key '' in the configuration; k" + kKeys},
      {rule_with("conections: {}"),
       "f:4:5: unknown key 'conections' in a rule; did you mean 'connections'? K" + kRuleKeys},
      {rule_with("per_client: 5"), "f:4:5: unknown key 'per_client' in a rule; k" + kRuleKeys},
      {rule_with("connections: { per_clinet: 5 }"),
       "f:4:20: unknown key 'per_clinet' in connections; did you mean 'per_client'? Known keys: "
       "per_client, per_network, total, reserve"},
      {rule_with("client_prefix: { ip4: 24 }"),
       "f:4:22: unknown key 'ip4' in client_prefix; did you mean 'ipv4'? Known keys: ipv4, ipv6"},
      {"rules: []\ndefaults: { name: x }",
       "f:2:13: unknown key 'name' in defaults; known keys: client_prefix, network_prefix, mode, "
       "handshake_timeout, count_half_open, on_limit, reply, on_table_full"},
      {"rules: []\ntables: { client: 5 }",
       "f:2:11: unknown key 'client' in tables; did you mean 'clients'? Known keys: "
       "connections, clients, recent, penalties, denied, namespaces"},
      {"rules: []\nmetrics: { port: 5 }",
       "f:2:12: unknown key 'port' in metrics; known keys: listen"},
      {"rules: []\ncontrol: { sockets: /a }",
       "f:2:12: unknown key 'sockets' in control; did you mean 'socket'? Known keys: socket"},
      {rule_with("<<: { on_limit: reset }"),
       "f:4:5: merge keys ('<<') are not supported; settings under 'defaults' would be right"},
  });
}

TEST(ParseBad, DuplicateKeys) {
  expect_messages({
      {"rules: []\nrules: []",
       "f:2:1: duplicate key 'rules', first at line 1; each key once would be right"},
      {rule_with("name: other"),
       "f:4:5: duplicate key 'name', first at line 2; each key once would be right"},
      {rule_with("connections: { total: 1, 'total': 2 }"),
       "f:4:30: duplicate key 'total', first at line 4; each key once would be right"},
  });
}

TEST(ParseBad, WrongTypes) {
  const std::string rules = "; a list of '- name: …' items, or [] for none, would be right";
  const std::string listen = "; a list such as [\"443\", \"192.0.2.10:8443\"] would be right";
  const std::string entry =
      "; text such as 443, \"192.0.2.10:443\" or, always in quotes, \"[2001:db8::1]:443\" would be "
      "right";
  expect_messages({
      {"rules: 5", "f:1:8: 'rules' is '5'" + rules},
      {"rules: { name: web }", "f:1:8: 'rules' is a map" + rules},
      {"rules: ~", "f:1:8: 'rules' is empty" + rules},
      {"rules: [web]", "f:1:9: this is 'web'" + kAMap},
      {"rules: [~]", "f:1:9: this is empty" + kAMap},
      {"rules: []\ndefaults: ~", "f:2:11: this is empty" + kAMap},
      {"rules: []\nmetrics: off", "f:2:10: 'metrics' is 'off'" + kAMap},
      {rule_with("connections: 5"), "f:4:18: 'connections' is '5'" + kAMap},
      {rule_with("connections: []"), "f:4:18: 'connections' is a list" + kAMap},
      {rule_with("client_prefix: 24"), "f:4:20: 'client_prefix' is '24'" + kAMap},
      {"rules: [{ name: web, listen: ~ }]", "f:1:30: 'listen' is empty" + listen},
      {"rules: [{ name: web, listen: [] }]", "f:1:30: 'listen' is an empty list" + listen},
      {"rules: [{ name: web, listen: [[443]] }]", "f:1:31: 'listen' is a list" + entry},
      {"rules: [{ name: web, listen: [~] }]", "f:1:31: 'listen' is empty" + entry},
  });
}

TEST(ParseBad, MissingKeys) {
  expect_messages({
      {"cgroup: auto",
       "f:1:1: 'rules' is missing from the configuration; 'rules: …' would be right"},
      {"{}", "f:1:1: 'rules' is missing from the configuration; 'rules: …' would be right"},
      {"rules:\n  - listen: 443\n",
       "f:2:5: 'name' is missing from a rule; 'name: …' would be right"},
      {"rules:\n  - name: web\n",
       "f:2:5: 'listen' is missing from a rule; 'listen: …' would be right"},
  });
}

TEST(ParseBad, Names) {
  const std::string right = "; 1 to 63 of the characters A-Z a-z 0-9 _ . - would be right";
  const auto named = [](const std::string& name) {
    return "rules:\n  - name: " + name + "\n    listen: 443\n";
  };
  expect_messages({
      {named("''"), "f:2:11: 'name' is ''" + right},
      {named("~"), "f:2:11: 'name' is empty" + right},
      {named("[a]"), "f:2:11: 'name' is a list" + right},
      {named("a b"), "f:2:11: 'name' is 'a b'" + right},
      {named("über"), "f:2:11: 'name' is 'über'" + right},
      {named("\"a\\nb\""), "f:2:11: 'name' is 'a\\x0ab'" + right},
      {named(std::string(64, 'n')), "f:2:11: 'name' is '" + std::string(64, 'n') + "'" + right},
      {named("web") + "  - listen: 80\n    name: web\n",
       "f:5:11: duplicate rule name 'web', first at line 2; a name of its own would be right"},
  });
}

TEST(ParseBad, Numbers) {
  const std::string right = "; a whole number from 0 to 1000000000 or 'unlimited' would be right";
  std::vector<Case> cases;
  for (const std::string number : {"-1", "+1", "1.5", "1.0", "1e3", "010", "0x10", "0o10", "1_000",
                                   "1:30", "1000000001", "4294967296", "18446744073709551616",
                                   "99999999999999999999999999", "many", "true", "off", ".inf"}) {
    cases.push_back({rule_with("connections: { per_client: " + number + " }"),
                     "f:4:32: 'connections.per_client' is '" + number + "'" + right});
  }
  cases.push_back({rule_with("connections: { total: '5' }"),
                   "f:4:27: 'connections.total' is '5'; a whole number from 0 to 1000000000 "
                   "without quotes or 'unlimited' would be right"});
  cases.push_back(
      {rule_with("connections: { total: '-5' }"), "f:4:27: 'connections.total' is '-5'" + right});
  cases.push_back(
      {rule_with("connections: { total: ~ }"), "f:4:27: 'connections.total' is empty" + right});
  cases.push_back(
      {rule_with("connections: { total: [5] }"), "f:4:27: 'connections.total' is a list" + right});
  expect_messages(cases);
}

TEST(ParseBad, NumbersBeyondTheirRange) {
  expect_messages({
      {rule_with("client_prefix: { ipv4: 33 }"),
       "f:4:28: 'client_prefix.ipv4' is '33'; a whole number from 0 to 32 would be right"},
      {rule_with("client_prefix: { ipv6: 129 }"),
       "f:4:28: 'client_prefix.ipv6' is '129'; a whole number from 0 to 128 would be right"},
      {"rules: []\ntables: { clients: 0 }",
       "f:2:20: 'tables.clients' is '0'; a whole number from 1 to 16777216 would be right"},
      {"rules: []\ntables: { recent: 1023 }",
       "f:2:19: 'tables.recent' is '1023'; a whole number from 1024 to 16777216 would be right"},
      {"rules: []\ntables: { recent: 16777217 }",
       "f:2:19: 'tables.recent' is '16777217'; a whole number from 1024 to 16777216 would be "
       "right"},
      {"rules: []\ntables: { namespaces: 0 }",
       "f:2:23: 'tables.namespaces' is '0'; a whole number from 1 to 256 would be right"},
      {"rules: []\ntables: { namespaces: 257 }",
       "f:2:23: 'tables.namespaces' is '257'; a whole number from 1 to 256 would be right"},
  });
}

TEST(ParseBad, Durations) {
  const std::string right =
      "; a time from 100ms to 1h with its unit (ms, s, m, h or d) such as 10s would be right";
  std::vector<Case> cases;
  for (const std::string time : {"10", "0", "99ms", "61m", "2h", "0s", "-1s", "1.5s", "10S", "10 s",
                                 "1d", "soon", "99999999999999999999s"}) {
    cases.push_back({rule_with("handshake_timeout: " + time),
                     "f:4:24: 'handshake_timeout' is '" + time + "'" + right});
  }
  cases.push_back(
      {rule_with("handshake_timeout: ~"), "f:4:24: 'handshake_timeout' is empty" + right});
  expect_messages(cases);
}

TEST(ParseBad, Choices) {
  expect_messages({
      {rule_with("count_half_open: clients"),
       "f:4:22: 'count_half_open' is 'clients'; 'client' or 'all' or 'none' would be right"},
      {rule_with("count_half_open: ~"),
       "f:4:22: 'count_half_open' is empty; 'client' or 'all' or 'none' would be right"},
      {rule_with("on_limit: deny"),
       "f:4:15: 'on_limit' is 'deny'; 'reset' or 'drop' or 'reply' would be right"},
      {rule_with("mode: on"), "f:4:11: 'mode' is 'on'; 'enforce' or 'monitor' would be right"},
      {"rules: []\nreload: { watch: true }",
       "f:2:18: 'reload.watch' is 'true'; 'on' or 'off' would be right"},
      {rule_with("on_table_full: [admit]"),
       "f:4:20: 'on_table_full' is a list; 'admit' or 'refuse' would be right"},
  });
}

// The forms of an entry are the business of listen_test.cpp; here: that the place is right.
TEST(ParseBad, ListenEntries) {
  expect_messages({
      {"rules:\n  - name: web\n    listen: 65536\n",
       "f:3:13: '65536' is not a port; 1 to 65535 would be right"},
      {"rules:\n  - name: web\n    listen: [443, 0]\n",
       "f:3:19: '0' is not a port; 1 to 65535 would be right"},
      {"rules:\n  - name: web\n    listen:\n      - 443\n      - '8010-8000'\n",
       "f:5:9: '8010-8000' is a reversed range; '8000-8010' would be right"},
  });
}

TEST(ParseBad, MetricsListen) {
  const std::string right =
      " is not one address and port; \"127.0.0.1:9469\", \"[::1]:9469\" or off would be right";
  const auto listen = [](const std::string& text) {
    return "rules: []\nmetrics: { listen: " + text + " }";
  };
  expect_messages({
      {listen("9469"), "f:2:20: 'metrics.listen': '9469'" + right},
      {listen("localhost:9469"), "f:2:20: 'metrics.listen': 'localhost:9469'" + right},
      {listen("127.0.0.1:0"), "f:2:20: 'metrics.listen': '127.0.0.1:0'" + right},
      {listen("127.0.0.1:65536"), "f:2:20: 'metrics.listen': '127.0.0.1:65536'" + right},
      {listen("no"), "f:2:20: 'metrics.listen': 'no'" + right},
      {listen("false"), "f:2:20: 'metrics.listen': 'false'" + right},
      {listen("~"), "f:2:20: 'metrics.listen' is empty; \"127.0.0.1:9469\" or off would be right"},
  });
}

TEST(ParseBad, Paths) {
  const std::string too_long(108, 's');
  expect_messages({
      {"rules: []\ncgroup: web.slice",
       "f:2:9: 'cgroup' is 'web.slice'; an absolute path or 'auto' would be right"},
      {"rules: []\ncgroup: self",
       "f:2:9: 'cgroup' is 'self'; an absolute path or 'auto' would be right"},
      {"rules: []\nnetns: web",
       "f:2:8: 'netns' is 'web'; an absolute path or 'self' or 'all' would be right"},
      {"rules: []\nnetns: ''",
       "f:2:8: 'netns' is ''; an absolute path or 'self' or 'all' would be right"},
      {"rules: []\nnetns: \"/run/\\0x\"",
       "f:2:8: 'netns' is '/run/\\x00x'; an absolute path or 'self' or 'all' would be right"},
      {"rules: []\ncontrol: { socket: control.sock }",
       "f:2:20: 'control.socket' is 'control.sock'; an absolute path would be right"},
      {"rules: []\ncontrol: { socket: /" + too_long.substr(1) + " }",
       "f:2:20: 'control.socket' is '/" + too_long.substr(1, 79) +
           "…'; a path of at most 107 bytes would be right"},
  });
}

TEST(ParseBad, WhatIsNotText) {
  const std::string nul("rules: []\n\0", 11);
  expect_messages({
      {"\x7f"
       "ELF\x02\x01",
       "f:1:1: byte 0x7f is a control character; a YAML file in UTF-8 would "
       "be right"},
      {nul, "f:2:1: byte 0x00 is a control character; a YAML file in UTF-8 would be right"},
      {"rules: [] # \xff",
       "f:1:13: byte 0xff is not valid UTF-8; a YAML file in UTF-8 would be "
       "right"},
  });
}

TEST(ParseBad, WhatIsTooMuch) {
  std::string rules = "rules:\n";
  for (int i = 0; i < 501; ++i) rules += "  - {}\n";
  expect_messages({
      {std::string(50 * 1024 * 1024, ' '),
       "f:1:1: the file has 52428800 bytes; at most 12582912 would be right"},
      {rules, "f:2:3: 'rules' has 501 rules; at most 500 would be right"},
      {"rules: []\n---\nrules: []\n", "f:2:1: a second document begins here; one would be right"},
  });
}

TEST(ParseBad, AFileThatWasCutShort) {
  expect_messages({
      {"rules: []\nnetns: \"/run/netns/w\n",
       "f:2:21: the file ends inside quoted text; a closing quote is missing"},
      {"rules: [{ name: web,\n",
       "f:1:9: what begins here is not closed by line 1; '}' or ',' there, or quotes around text "
       "with brackets in it, would be right"},
  });
}

TEST(ParseBad, ADirectiveThatIsNotYaml) {
  expect_messages({{"%YAML 9.9\n---\nrules: []\n",
                    "f:1:1: not valid YAML (YAML major version too large); 'key: value' lines "
                    "would be right"}});
}

}  // namespace
}  // namespace headgate::config
