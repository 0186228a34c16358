// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "cases.h"

namespace headgate::policy {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

// Of a rule with a limit of each kind, by what an override of 10.0.0.0/8 says.
hg_prefix override_with(const std::string& body) {
  const Policy policy = compile_good(R"(
rules:
  - name: web
    listen: 443
    connections: { per_client: 100, per_network: 1000, total: 20000 }
    new_connections: { per_client: 50/s, per_network: 500/s, total: 5000/s }
    overrides: [{ clients: [10.0.0.0/8], )" +
                                     body + " }]\n");
  const auto entries = entries_of(policy, HG_PREFIX_OVERRIDE);
  EXPECT_EQ(entries.size(), 1U);
  return entries.empty() ? hg_prefix{} : entries.front().second;
}

struct Expected {
  std::uint32_t per_client = 100;
  std::uint32_t per_network = 1000;
  std::uint64_t client_interval_ns = kSecond / 50;
  std::uint64_t client_tolerance_ns = 49 * kSecond / 50;
  std::uint64_t network_interval_ns = kSecond / 500;
  std::uint64_t network_tolerance_ns = 499 * kSecond / 500;
};

void expect_limits(const hg_prefix& compiled, const Expected& expected) {
  EXPECT_EQ(compiled.exempt, 0);
  EXPECT_EQ(compiled.bits, HG_PREFIX_FIXED_BITS + 8U);
  EXPECT_EQ(compiled.limits.per_client, expected.per_client);
  EXPECT_EQ(compiled.limits.per_network, expected.per_network);
  EXPECT_EQ(compiled.limits.client_rate.interval_ns, expected.client_interval_ns);
  EXPECT_EQ(compiled.limits.client_rate.tolerance_ns, expected.client_tolerance_ns);
  EXPECT_EQ(compiled.limits.network_rate.interval_ns, expected.network_interval_ns);
  EXPECT_EQ(compiled.limits.network_rate.tolerance_ns, expected.network_tolerance_ns);
}

TEST(Override, WhatIsNotSetIsAsInTheRule) {
  Expected expected;
  expected.per_client = 7;
  expect_limits(override_with("connections: { per_client: 7 }"), expected);
  expected = {};
  expected.per_network = 0;
  expect_limits(override_with("connections: { per_network: 0 }"), expected);
  expected = {};
  expected.client_interval_ns = kSecond / 4;
  expected.client_tolerance_ns = 8 * kSecond / 4;
  expect_limits(override_with("new_connections: { per_client: { rate: 4/s, burst: 9 } }"),
                expected);
  expected = {};
  expected.network_interval_ns = kSecond;
  expected.network_tolerance_ns = 0;
  expect_limits(override_with("new_connections: { per_network: 1/s }"), expected);
}

TEST(Override, UnlimitedTakesTheRulesLimitAway) {
  Expected expected;
  expected.per_client = HG_NO_LIMIT;
  expected.network_interval_ns = 0;
  expected.network_tolerance_ns = 0;
  expect_limits(override_with("connections: { per_client: unlimited }, new_connections: { "
                              "per_network: unlimited }"),
                expected);
  expected = {};
  expected.per_network = HG_NO_LIMIT;
  expected.client_interval_ns = 0;
  expected.client_tolerance_ns = 0;
  expect_limits(override_with("connections: { per_network: unlimited }, new_connections: { "
                              "per_client: unlimited }"),
                expected);
}

TEST(Override, AnExemptOneIsMarked) {
  EXPECT_EQ(override_with("exempt: true").exempt, 1);
}

TEST(Override, IsAnEntryForEachOfItsPrefixesUnderItsRule) {
  const Policy policy = compile_good(R"(
rules:
  - { name: a, listen: 1 }
  - name: b
    listen: 2
    overrides:
      - { clients: [10.0.0.0/8, 192.0.2.1, "2001:db8:1::/48"], connections: { per_client: 5 } }
      - { clients: [10.1.0.0/16], exempt: true }
)");
  const auto entries = entries_of(policy, HG_PREFIX_OVERRIDE);
  ASSERT_EQ(entries.size(), 4U);
  for (const auto& [key, value] : entries) {
    EXPECT_EQ(key.selector, 2);
    EXPECT_EQ(value.bits, key.prefix_bits);
  }
  struct Case {
    std::string client;
    std::optional<std::uint32_t> per_client;  // none: exempt
    std::uint32_t bits;
  };
  const Case cases[] = {{"10.2.3.4", 5, 8},
                        {"10.1.2.3", std::nullopt, 16},
                        {"192.0.2.1", 5, 32},
                        {"2001:db8:1:2::3", 5, 48}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.client);
    const Prefix client = *Prefix::parse(c.client);
    const PrefixEntry* found = longest_match(policy, HG_PREFIX_OVERRIDE, 2, client);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->second.exempt, c.per_client ? 0 : 1);
    if (c.per_client) {
      EXPECT_EQ(found->second.limits.per_client, *c.per_client);
    }
    EXPECT_EQ(found->second.bits, HG_PREFIX_FIXED_BITS + c.bits);
    EXPECT_EQ(longest_match(policy, HG_PREFIX_OVERRIDE, 1, client), nullptr);
  }
  EXPECT_EQ(longest_match(policy, HG_PREFIX_OVERRIDE, 2, *Prefix::parse("192.0.2.2")), nullptr);
}

TEST(ExemptClients, AreEntriesOfNoRuleAndAFlagOfEveryRule) {
  const Policy policy = compile_good(R"(
rules: [{ name: a, listen: 1 }, { name: b, listen: 2 }]
clients: { exempt: [127.0.0.0/8, "::1"] }
)");
  const auto entries = entries_of(policy, HG_PREFIX_EXEMPT);
  ASSERT_EQ(entries.size(), 2U);
  for (const auto& [key, value] : entries) {
    EXPECT_EQ(key.selector, 0);
    EXPECT_EQ(value.bits, key.prefix_bits);
  }
  for (const auto& [id, rule] : policy.rules) EXPECT_EQ(rule.limits.flags, HG_HAS_EXEMPT);
  const auto match = [&policy](const std::string& client) {
    return longest_match(policy, HG_PREFIX_EXEMPT, 0, *Prefix::parse(client));
  };
  EXPECT_NE(match("127.9.9.9"), nullptr);
  EXPECT_NE(match("::1"), nullptr);
  EXPECT_EQ(match("128.0.0.1"), nullptr);
  EXPECT_EQ(match("::2"), nullptr);
}

TEST(Prefixes, AreSortedAndNoTwoAlike) {
  const Policy policy = compile_good(R"(
rules:
  - { name: a, listen: ["10.0.0.0/8:1-3"], overrides: [{ clients: [10.0.0.0/8, 0.0.0.0/0, "::/0"], exempt: true }] }
  - { name: b, listen: ["10.0.0.0/9:1"], overrides: [{ clients: [10.0.0.0/8], exempt: true }] }
clients: { exempt: [10.0.0.0/8, 0.0.0.0/0, "::/0"] }
)");
  ASSERT_EQ(policy.prefixes.size(), 11U);
  for (std::size_t i = 1; i < policy.prefixes.size(); ++i) {
    EXPECT_TRUE(is_before(policy.prefixes[i - 1].first, policy.prefixes[i].first)) << i;
  }
}

}  // namespace
}  // namespace headgate::policy
