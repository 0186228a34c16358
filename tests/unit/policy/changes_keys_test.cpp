// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <gtest/gtest.h>

#include "cases.h"

namespace headgate::policy {
namespace {

struct Case {
  const char* what;
  std::string from, to;
};

bool is_rekeyed(const Case& c) {
  const Policy from = compile_good(c.from);
  const Policy to = compile_good(c.to, from.numbers);
  return changes_keys(from, to);
}

// Two rules; `body` is more of the first one's lines.
std::string web_with(const std::string& body) {
  return "rules:\n  - name: web\n    listen: [80, '10.0.0.1:8080']\n    " + body +
         "\n  - { name: mail, listen: 25 }\n";
}

std::string listening(const std::string& web, const std::string& mail) {
  return "rules:\n  - { name: web, listen: " + web + " }\n  - { name: mail, listen: " + mail +
         " }\n";
}

TEST(ChangesKeys, NotWhatOnlyChangesTheVerdict) {
  const std::string plain = web_with("connections: { per_client: 5, total: 50 }");
  const Case cases[] = {
      {"nothing", plain, plain},
      {"limits", plain, web_with("connections: { per_client: 1, total: 20, reserve: 3 }")},
      {"limits that go", plain, web_with("")},
      {"another limit per network", web_with("connections: { per_network: 5 }"),
       web_with("connections: { per_network: 6 }")},
      {"a limit per network that moves to an override", web_with("connections: { per_network: 5 }"),
       web_with("overrides: [{ clients: [10.0.0.0/8], connections: { per_network: 5 } }]")},
      {"rates", plain, web_with("new_connections: { per_client: 1/s, per_network: 1/s }")},
      {"mode", plain, web_with("mode: monitor")},
      {"action", plain, web_with("on_limit: drop")},
      {"reply", plain, web_with("on_limit: reply\n    reply: http-429")},
      {"on_table_full", plain, web_with("on_table_full: refuse")},
      {"half-open", plain, web_with("count_half_open: all\n    handshake_timeout: 1s")},
      {"penalty", plain, web_with("penalty: { after: 1, within: 1s, deny_for: 1m }")},
      {"overrides", plain,
       web_with("overrides: [{ clients: [10.0.0.0/8], connections: { per_client: 9 } }]")},
      {"exempt override", plain, web_with("overrides: [{ clients: [10.0.0.0/8], exempt: true }]")},
      {"exempt clients", plain, plain + "clients: { exempt: [127.0.0.0/8] }\n"},
      {"deny list", plain, plain + "clients: { deny: [{ cidr: 192.0.2.1 }] }\n"},
      {"networks that nobody counts", web_with("network_prefix: { ipv4: 24, ipv6: 48 }"),
       web_with("network_prefix: { ipv4: 16, ipv6: 32 }")},
      {"UDP", listening("[80, '10.0.0.1:80']", "25"),
       listening("[80, '10.0.0.1:80', 80/udp, 443/udp, '10.0.0.1:80/udp']", "[25, 444/udp]")},
      {"the order of rules", listening("80", "25"),
       "rules:\n  - { name: mail, listen: 25 }\n  - { name: web, listen: 80 }\n"},
      {"the order of groups", listening("[{ unit: a.service }, { unit: b.service }]", "25"),
       listening("[{ unit: b.service }, { unit: a.service }]", "25")},
      {"limits of a rule with groups only", listening("{ unit: a.service }", "25"),
       listening("{ unit: a.service }, connections: { per_client: 1 }", "25")},
      {"a range in parts", listening("80-82", "25"), listening("[82, 80-81]", "25")},
  };
  for (const Case& c : cases) EXPECT_FALSE(is_rekeyed(c)) << c.what;
}

TEST(ChangesKeys, WhatTellsRulesOrClientsApartInAnotherWay) {
  const std::string plain = web_with("");
  const std::string networks = "connections: { per_network: 5 }\n    ";
  const Case cases[] = {
      {"client_prefix, IPv4", plain, web_with("client_prefix: { ipv4: 30 }")},
      {"client_prefix, IPv6", plain, web_with("client_prefix: { ipv6: 56 }")},
      {"network_prefix, IPv4", web_with(networks),
       web_with(networks + "network_prefix: { ipv4: 16 }")},
      {"network_prefix, IPv6", web_with(networks),
       web_with(networks + "network_prefix: { ipv6: 32 }")},
      {"a limit per network", plain, web_with(networks)},
      {"a limit per network that goes", web_with(networks), plain},
      {"a limit per network in an override", plain,
       web_with("overrides: [{ clients: [10.0.0.0/8], connections: { per_network: 5 } }]")},
      {"a port that moves to another rule", listening("[80, 81]", "25"),
       listening("80", "[25, 81]")},
      {"a port more", listening("80", "25"), listening("[80, 81]", "25")},
      {"a port less", listening("[80, 81]", "25"), listening("80", "25")},
      {"an address more", listening("80", "25"), listening("80", "[25, '10.0.0.1:80']")},
      {"an address of the same rule more", listening("80", "25"),
       listening("[80, '10.0.0.1:80']", "25")},
      {"an address that moves to another rule", listening("['10.0.0.1:80', 81]", "25"),
       listening("81", "[25, '10.0.0.1:80']")},
      {"an address that is cut elsewhere", listening("'10.0.0.0/8:80'", "25"),
       listening("'10.0.0.0/9:80'", "25")},
      {"an address that goes", listening("[80, '10.0.0.1:80']", "25"), listening("80", "25")},
      {"a group more", listening("80", "25"), listening("[80, { unit: a.service }]", "25")},
      {"a group less", listening("[80, { unit: a.service }]", "25"), listening("80", "25")},
      {"another group", listening("{ unit: a.service }", "25"),
       listening("{ unit: b.service }", "25")},
      {"a unit that is named as a cgroup", listening("{ unit: a.service }", "25"),
       listening("{ cgroup: a.service }", "25")},
      {"a group that moves to another rule", listening("[80, { cgroup: a }]", "25"),
       listening("80", "[25, { cgroup: a }]")},
      {"groups that change places", listening("{ cgroup: a }", "{ cgroup: b }"),
       listening("{ cgroup: b }", "{ cgroup: a }")},
      {"a rule renamed", listening("80", "25"),
       "rules:\n  - { name: www, listen: 80 }\n  - { name: mail, listen: 25 }\n"},
      {"two rules that change names", listening("80", "25"), listening("25", "80")},
      {"a rule less", listening("80", "25"), "rules: [{ name: web, listen: 80 }]\n"},
      {"a rule more", "rules: [{ name: web, listen: 80 }]\n", listening("80", "25")},
      {"no rule left", listening("80", "25"), "rules: []\n"},
  };
  for (const Case& c : cases) EXPECT_TRUE(is_rekeyed(c)) << c.what;
}

}  // namespace
}  // namespace headgate::policy
