// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/difference_quotas.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quota_cases.h"

namespace headgate::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> differences(const std::string& from, const std::string& to) {
  std::vector<std::string> texts;
  for (const Change& change : difference(parse_good(from), parse_good(to))) {
    texts.push_back(to_string(change));
  }
  return texts;
}

TEST(QuotaDifference, OfTheSameMeaningIsNothing) {
  EXPECT_THAT(differences("rules: []", "rules: []\nquotas: { domains: [], rule_files: [] }"),
              IsEmpty());
  EXPECT_THAT(
      differences(
          domain(R"(descriptors:
        - { key: a, rate_limit: { requests: 60, per: 60s } }
        - { key: b, value: "x*", concurrency: { algorithm: auto } }
      clients: [{ user: a, time_percent: 50 }, { user: b, time_percent: 5.50 }])"),
          domain(R"(clients: [{ user: b, time_percent: 5.5 }, { user: a, time_percent: 50.0 }]
      check_all_then_commit: false
      descriptors:
        - { key: b, value: "x*", shadow_mode: false, concurrency: { algorithm: auto, floor: 9 } }
        - { key: a, rate_limit: { requests_per_unit: 60, unit: minute, burst: 60 } })")),
      IsEmpty());
}

TEST(QuotaDifference, NamesDomainsRulesAndKeys) {
  EXPECT_THAT(
      differences(domain(R"(descriptors:
        - key: client_ip
          rate_limit: { requests: 100, per: 30s, name: ip }
          penalty: { after: 50, within: 10s, deny_for: 10m }
        - { key: path, value: "/login*", descriptors: [{ key: user, concurrency: { limit: 5 } }] }
        - { key: old })"),
                  domain(R"(check_all_then_commit: true
      descriptors:
        - { key: client_ip, rate_limit: { requests: 200, per: 30s }, shadow_mode: true }
        - key: path
          value: "/login*"
          descriptors: [{ key: user, concurrency: { limit: 6, lease_ttl: 5s } }]
        - { key: new.one, value: a=b, rate_limit: { unlimited: true } })")),
      ElementsAre(
          "quotas.api.check_all_then_commit: false -> true",
          "quotas.api.\"new.one\"=\"a=b\": none -> { rate_limit: { unlimited: true } }",
          "quotas.api.client_ip.name: ip -> none",
          "quotas.api.client_ip.penalty: { after: 50, within: 10s, deny_for: 10m, grow: 1, "
          "at_most: 1d } -> none",
          "quotas.api.client_ip.rate_limit: { algorithm: gcra, requests: 100, per: 30s, burst: 100 "
          "} -> { algorithm: gcra, requests: 200, per: 30s, burst: 200 }",
          "quotas.api.client_ip.shadow_mode: none -> true", "quotas.api.old: {} -> none",
          "quotas.api.path=\"/login*\".user.concurrency: { algorithm: fixed, limit: 5 } -> { "
          "algorithm: fixed, limit: 6, lease_ttl: 5s }"));
}

TEST(QuotaDifference, TheFirstOfTwoWildcardsWins) {
  EXPECT_THAT(differences(domain("descriptors: [{ key: a, value: 'x*' }, { key: a, value: '*' }]"),
                          domain("descriptors: [{ key: a, value: '*' }, { key: a, value: 'x*' }]")),
              ElementsAre("quotas.api.wildcards: [a=\"x*\", a=\"*\"] -> [a=\"*\", a=\"x*\"]"));
}

TEST(QuotaDifference, NamesClients) {
  EXPECT_THAT(
      differences(
          client("{ user: a, client: b, time_percent: 5 }, { user: c, time_percent: 1 }"),
          client("{ user: a, client: b, time_percent: 6, bytes_per_second: 9.5 }, { client: "
                 "<default>, time_percent: 2 }")),
      ElementsAre("quotas.api.clients[{ client: \"<default>\" }]: none -> { time_percent: 2 }",
                  "quotas.api.clients[{ user: a, client: b }].bytes_per_second: none -> 9.5",
                  "quotas.api.clients[{ user: a, client: b }].time_percent: 5 -> 6",
                  "quotas.api.clients[{ user: c }]: { time_percent: 1 } -> none"));
}

TEST(QuotaDifference, SummarisesDomains) {
  EXPECT_THAT(
      differences(domain("descriptors: [{ key: a }, { key: b }]"),
                  quotas("domains: [{ domain: a.b, clients: [{ user: c, time_percent: 5 }] }]")),
      ElementsAre("quotas.api: { descriptors: 2, clients: 0 } -> none",
                  "quotas.\"a.b\": none -> { descriptors: 0, clients: 1 }"));
  const auto many = [](int first, int last, const std::string& requests) {
    std::string list = "descriptors: [";
    for (int i = first; i <= last; ++i) {
      list += "{ key: k" + std::to_string(i) + ", rate_limit: { per: 1s, requests: " + requests +
              " } }, ";
    }
    return domain(list + "{ key: z }]");
  };
  EXPECT_EQ(differences(many(1, 20, "5"), many(1, 20, "6")).size(), 20U);
  EXPECT_THAT(differences(many(1, 21, "5"), many(1, 21, "6")),
              ElementsAre("quotas.api: 21 changed"));
  EXPECT_THAT(differences(many(1, 30, "5"), many(21, 45, "6")),
              ElementsAre("quotas.api: 15 added, 20 removed, 10 changed"));
}

TEST(QuotaDifference, SaysWhatNeedsARestart) {
  EXPECT_THAT(
      differences("rules: []",
                  quotas("socket: /q, grpc: { listen: '[::1]:1', tls: { certificate: /c, "
                         "key: /k, client_ca: '/a b' } }, http: { listen: '127.0.0.1:2' }, "
                         "max_keys: 16, rule_files: ['/r/*.yaml', /b]")),
      ElementsAre(
          "quotas.rule_files: [] -> [/b, \"/r/*.yaml\"]",
          "quotas.grpc.listen: none -> [::1]:1 (at the next start)",
          "quotas.grpc.tls: none -> { certificate: /c, key: /k, client_ca: \"/a b\" } (at the "
          "next start)",
          "quotas.http.listen: none -> 127.0.0.1:2 (at the next start)",
          "quotas.max_keys: 100000 -> 16 (at the next start)",
          "quotas.memory.socket: /run/headgate/quota-memory.sock -> /quota-memory.sock (at the "
          "next "
          "start)",
          "quotas.socket: /run/headgate/quota.sock -> /q (at the next start)"));
}

TEST(QuotaDifference, TheMemorySocketIsBesideTheOtherUnlessItIsSaid) {
  EXPECT_THAT(differences(quotas("socket: /a/b"), quotas("socket: /a/b, memory: { socket: off }")),
              ElementsAre("quotas.memory.socket: /a/quota-memory.sock -> off (at the next start)"));
  EXPECT_THAT(
      differences(quotas("socket: /a/b"), quotas("socket: /a/b, memory: { socket: /c/d }")),
      ElementsAre("quotas.memory.socket: /a/quota-memory.sock -> /c/d (at the next start)"));
  EXPECT_THAT(differences(quotas("socket: /a/b"),
                          quotas("socket: /a/b, memory: { socket: /a/quota-memory.sock }")),
              ElementsAre());
}

// A new domain gets a table of the size that it asks for.
TEST(QuotaDifference, TheTableOfADomainIsSizedOnce) {
  EXPECT_THAT(differences(domain("max_keys: 16"), domain("max_keys: 17")),
              ElementsAre("quotas.api.max_keys: 16 -> 17 (at the next start)"));
  EXPECT_THAT(differences(domain("max_keys: 16"), domain("clients: []")),
              ElementsAre("quotas.api.max_keys: 16 -> none (at the next start)"));
  EXPECT_THAT(differences("rules: []", domain("max_keys: 17")),
              ElementsAre("quotas.api: none -> { descriptors: 0, clients: 0 }"));
}

}  // namespace
}  // namespace headgate::config
