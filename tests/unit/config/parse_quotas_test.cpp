// SPDX-License-Identifier: Apache-2.0
//
// The section `quotas` without its descriptors.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quota_cases.h"

namespace headgate::config {
namespace {

using testing::ElementsAre;
using Whom = ClientQuota::Whom;

TEST(Quotas, AreEmptyUnlessGiven) {
  for (const std::string yaml : {"rules: []\n", "rules: []\nquotas: {}\n"}) {
    const Quotas found = parse_good(yaml).quotas;
    EXPECT_EQ(found.socket, "/run/headgate/quota.sock");
    EXPECT_EQ(found.grpc_listen, std::nullopt);
    EXPECT_EQ(found.http_listen, std::nullopt);
    EXPECT_EQ(found.tls, std::nullopt);
    EXPECT_TRUE(found.rule_files.empty());
    EXPECT_EQ(found.max_keys, 100'000U);
    EXPECT_TRUE(found.domains.empty());
  }
}

TEST(Quotas, ADoorMayBeOff) {
  EXPECT_EQ(parse_good(quotas("grpc: { listen: off }")).quotas.grpc_listen, std::nullopt);
  EXPECT_EQ(parse_good(quotas("http: { listen: off }")).quotas.http_listen, std::nullopt);
}

TEST(Quotas, SayWhereTheyAreServed) {
  const Quotas found = parse_good(R"(
rules: []
quotas:
  socket: /run/q.sock
  grpc:
    listen: "127.0.0.1:8081"
    tls: { certificate: /c.pem, key: /k.pem, client_ca: /ca.pem }
  http: { listen: "[::1]:8080" }
  rule_files: [/etc/r.d/*.yaml, /etc/one.yaml]
  max_keys: 16
  domains:
    - { domain: api, max_keys: 16777216, check_all_then_commit: true }
    - { domain: "web site", descriptors: [], clients: [] }
)")
                           .quotas;
  EXPECT_EQ(found.socket, "/run/q.sock");
  EXPECT_EQ(found.grpc_listen, "127.0.0.1:8081");
  EXPECT_EQ(found.tls, (QuotaTls{"/c.pem", "/k.pem", "/ca.pem"}));
  EXPECT_EQ(found.http_listen, "[::1]:8080");
  EXPECT_THAT(found.rule_files, ElementsAre("/etc/r.d/*.yaml", "/etc/one.yaml"));
  EXPECT_EQ(found.max_keys, 16U);
  ASSERT_EQ(found.domains.size(), 2U);
  EXPECT_EQ(found.domains[0].name, "api");
  EXPECT_EQ(found.domains[0].file, "f");
  EXPECT_EQ(found.domains[0].position.line, 12);
  EXPECT_EQ(found.domains[0].max_keys, 16'777'216U);
  EXPECT_TRUE(found.domains[0].check_all_then_commit);
  EXPECT_EQ(found.domains[1].name, "web site");
  EXPECT_EQ(found.domains[1].max_keys, std::nullopt);
  EXPECT_FALSE(found.domains[1].check_all_then_commit);
}

TEST(Quotas, OfClientsAreForAUserAClientOrBoth) {
  const std::vector<ClientQuota> found =
      first_domain(client(R"({ user: alice, client: app1, time_percent: 200,
        bytes_per_second: 1000000, connections_per_second: 0.5 }, { user: "<default>", time_percent: 50 },
        { client: "<default>", time_percent: 1 }, { client: alice, time_percent: 12.25 })"))
          .clients;
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].user, Whom::kOne);
  EXPECT_EQ(found[0].user_name, "alice");
  EXPECT_EQ(found[0].client, Whom::kOne);
  EXPECT_EQ(found[0].client_name, "app1");
  EXPECT_EQ(found[0].time_percent, 200);
  EXPECT_EQ(found[0].bytes_per_second, 1e6);
  EXPECT_EQ(found[0].connections_per_second, 0.5);
  EXPECT_EQ(found[1].user, Whom::kDefault);
  EXPECT_EQ(found[1].user_name, "");
  EXPECT_EQ(found[1].client, Whom::kNobody);
  EXPECT_EQ(found[1].bytes_per_second, std::nullopt);
  EXPECT_EQ(found[2].user, Whom::kNobody);
  EXPECT_EQ(found[2].client, Whom::kDefault);
  EXPECT_EQ(found[3].time_percent, 12.25);
}

TEST(Quotas, ThatAreWrong) {
  const std::string map = "; a map of 'key: value' lines would be right";
  const std::string path = "; an absolute path would be right";
  const std::string endpoint = R"(; "127.0.0.1:9469" or off would be right)";
  const std::string keys = "; a whole number from 16 to 16777216 would be right";
  const std::string in_last_part =
      "; a pattern with wildcards in its last part only, such as /etc/headgate/ratelimit.d/*.yaml, "
      "would be right";
  std::string many = "/0.yaml";
  for (int i = 1; i <= 64; ++i) many += ", /" + std::to_string(i) + ".yaml";
  expect_messages({
      {"rules: []\nquotas: 5", "f:2:9: 'quotas' is '5'" + map},
      {quotas("sockets: /a"),
       "f:2:11: unknown key 'sockets' in quotas; did you mean 'socket'? Known keys: socket, "
       "memory, grpc, "
       "http, rule_files, max_keys, domains"},
      {quotas("socket: a"), "f:2:19: 'quotas.socket' is 'a'" + path},
      {quotas("socket: /" + std::string(107, 'a')),
       "f:2:19: 'quotas.socket' is '/" + std::string(79, 'a') +
           "…'; a path of at most 107 bytes would be right"},
      {quotas("grpc: 8081"), "f:2:17: 'quotas.grpc' is '8081'" + map},
      {quotas("grpc: {}"),
       "f:2:17: 'listen' is missing from quotas.grpc; 'listen: …' would be right"},
      {quotas("grpc: { listen: 8081 }"),
       "f:2:27: 'quotas.grpc.listen': '8081' is not one address and port; \"127.0.0.1:9469\", "
       "\"[::1]:9469\" or off would be right"},
      {quotas("grpc: { listen: [] }"), "f:2:27: 'quotas.grpc.listen' is a list" + endpoint},
      {quotas("http: { listen: ~ }"), "f:2:27: 'quotas.http.listen' is empty" + endpoint},
      {quotas("http: { listen: '[::1]:1', tls: {} }"),
       "f:2:38: unknown key 'tls' in quotas.http; known keys: listen"},
      {quotas("grpc: { listen: '[::1]:1', tls: {} }"),
       "f:2:43: 'certificate' is missing from quotas.grpc.tls; 'certificate: …' would be right"},
      {quotas("grpc: { listen: '[::1]:1', tls: { certificate: /c } }"),
       "f:2:43: 'key' is missing from quotas.grpc.tls; 'key: …' would be right"},
      {quotas("grpc: { listen: '[::1]:1', tls: { certificate: c, key: /k } }"),
       "f:2:58: 'quotas.grpc.tls.certificate' is 'c'" + path},
      {quotas("rule_files: /a"),
       "f:2:23: 'quotas.rule_files' is '/a'; a list of '- ' items would be right"},
      {quotas("rule_files: [a]"), "f:2:24: 'quotas.rule_files' is 'a'" + path},
      {quotas("rule_files: [/a/]"),
       "f:2:24: 'quotas.rule_files' is '/a/'; a file such as /etc/headgate/ratelimit.d/api.yaml, "
       "or a pattern such as /etc/headgate/ratelimit.d/*.yaml, would be right"},
      {quotas("rule_files: ['/a*/b']"), "f:2:24: 'quotas.rule_files' is '/a*/b'" + in_last_part},
      {quotas("rule_files: ['/[ab]/c']"),
       "f:2:24: 'quotas.rule_files' is '/[ab]/c'" + in_last_part},
      {quotas("rule_files: [/a, /b, /a]"),
       "f:2:32: duplicate path '/a', first at line 2; each once would be right"},
      {quotas("rule_files: [" + many + "]"),
       "f:2:23: 'quotas.rule_files' has 65 entries; at most 64, or a pattern such as "
       "/etc/headgate/ratelimit.d/*.yaml for several, would be right"},
      {quotas("max_keys: 15"), "f:2:21: 'quotas.max_keys' is '15'" + keys},
      {quotas("max_keys: 16777217"), "f:2:21: 'quotas.max_keys' is '16777217'" + keys},
      {quotas("domains: {}"),
       "f:2:20: 'quotas.domains' is a map; a list of '- ' items would be right"},
      {quotas("domains: [api]"), "f:2:21: this is 'api'" + map},
      {quotas("domains: [{}]"),
       "f:2:21: 'domain' is missing from a domain; 'domain: …' would be right"},
      {quotas("domains: [{ domain: '' }]"),
       "f:2:31: 'domain' is ''; a name such as api would be right"},
      {quotas("domains: [{ domain: a }, { domain: b }, { domain: a }]"),
       "f:2:51: duplicate domain 'a', first at line 2; each once would be right"},
      {domain("max_keys: -1"), "f:5:17: 'max_keys' is '-1'" + keys},
      {domain("check_all_then_commit: yes"),
       "f:5:30: 'check_all_then_commit' is 'yes'; 'true' or 'false' would be right"},
      {domain("domains: []"),
       "f:5:7: unknown key 'domains' in a domain; did you mean 'domain'? Known keys: domain, "
       "max_keys, check_all_then_commit, descriptors, clients"},
  });
}

TEST(Quotas, OfClientsThatAreWrong) {
  const std::string name = "; a name or '<default>' would be right";
  const auto number = [](const std::string& most) {
    return "; a number above 0, at most " + most +
           ", such as 50 or 0.5 without quotes would be right";
  };
  expect_messages({
      {client("alice"), "f:5:17: this is 'alice'; a map of 'key: value' lines would be right"},
      {client("{ time_percent: 5 }"),
       "f:5:17: this names neither a 'user' nor a 'client'; one of them, or both, would be right"},
      {client("{ user: alice }"),
       "f:5:17: this has no quota; 'time_percent', 'bytes_per_second' or 'connections_per_second' "
       "would be right"},
      {client("{ user: '', time_percent: 5 }"), "f:5:25: 'user' is ''" + name},
      {client("{ client: [], time_percent: 5 }"), "f:5:27: 'client' is a list" + name},
      {client("{ user: a, time_percent: 0 }"), "f:5:42: 'time_percent' is '0'" + number("1000000")},
      {client("{ user: a, time_percent: 0.0 }"),
       "f:5:42: 'time_percent' is '0.0'" + number("1000000")},
      {client("{ user: a, time_percent: -5 }"),
       "f:5:42: 'time_percent' is '-5'" + number("1000000")},
      {client("{ user: a, time_percent: 1000000.5 }"),
       "f:5:42: 'time_percent' is '1000000.5'" + number("1000000")},
      {client("{ user: a, time_percent: '50' }"),
       "f:5:42: 'time_percent' is '50'" + number("1000000")},
      {client("{ user: a, time_percent: 50% }"),
       "f:5:42: 'time_percent' is '50%'" + number("1000000")},
      {client("{ user: a, time_percent: 1e3 }"),
       "f:5:42: 'time_percent' is '1e3'" + number("1000000")},
      {client("{ user: a, bytes_per_second: 1000000000001 }"),
       "f:5:46: 'bytes_per_second' is '1000000000001'" + number("1000000000000")},
      {client("{ user: a, connections_per_second: 1000001 }"),
       "f:5:52: 'connections_per_second' is '1000001'" + number("1000000")},
      {client("{ user: a, time_percent: 5 }, { user: a, time_percent: 6 }"),
       "f:5:47: duplicate quotas of '{ user: a }', first at line 5; each once would be right"},
      {client("{ client: <default>, time_percent: 5 }, { client: '<default>', time_percent: 6 }"),
       "f:5:57: duplicate quotas of '{ client: \"<default>\" }', first at line 5; each once would "
       "be right"},
      {client("{ usr: a }"),
       "f:5:19: unknown key 'usr' in a client's quotas; did you mean 'user'? Known keys: user, "
       "client, time_percent, bytes_per_second, connections_per_second"},
  });
}

}  // namespace
}  // namespace headgate::config
