// SPDX-License-Identifier: Apache-2.0
// Other limits for some clients, and clients without any.
#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

class Overrides : public testing::Test {
 protected:
  // So many connections of the client are let in, and the next is refused for its limit.
  testing::AssertionResult may_hold(const Headgated& headgated, const std::string& client,
                                    int count, const std::string& reason = "client_connections") {
    const bool is_ipv6 = client.find(':') != std::string::npos;
    const Endpoint to = is_ipv6 ? lab_.server_ipv6(kPort) : web_;
    auto held = hold(lab_.client(0), to, count, Endpoint{address(client)});
    const auto result = gets(reason, headgated, lab_.client(0), to, client);
    held_.insert(held_.end(), std::make_move_iterator(held.begin()),
                 std::make_move_iterator(held.end()));
    return result;
  }
  nlohmann::json explained(const Headgated& headgated, const std::string& client) const {
    return explain(headgated, client, web_);
  }

  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Server server_{lab_.server(), {address("::"), kPort}, {.dual_stack = true}};
  std::vector<UniqueFd> held_;
};

TEST_F(Overrides, TheLongestPrefixThatContainsTheClientWins) {
  const Headgated headgated(lab_.server(), web_with(R"(connections: { per_client: 2 }
overrides:
  - { clients: [10.64.7.0/24], connections: { per_client: 1 } }
  - { clients: [10.64.0.0/16, "2001:db8:64::/48"], connections: { per_client: 4 } }
  - { clients: ["10.64.7.9", "2001:db8:64:7::/64"], connections: { per_client: 3 } })"));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 1));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.9", 3));
  EXPECT_TRUE(may_hold(headgated, "10.64.8.9", 4));
  EXPECT_TRUE(may_hold(headgated, "10.0.1.2", 2));
  EXPECT_TRUE(may_hold(headgated, "2001:db8:64:7::1", 3));
  EXPECT_TRUE(may_hold(headgated, "2001:db8:64:8::1", 4));
  EXPECT_TRUE(may_hold(headgated, "2001:db8:0:1::2", 2));
  EXPECT_EQ(explained(headgated, "10.64.7.1").at("overridden_by"), "10.64.7.0/24");
  EXPECT_EQ(explained(headgated, "10.64.7.9").at("overridden_by"), "10.64.7.9");
  EXPECT_FALSE(explained(headgated, "10.0.1.2").contains("overridden_by"));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 1 + 3 + 4 + 2 + 3 + 4 + 2))
      << "what is beyond the rule's own limit and within the override's is not closed";
}

TEST_F(Overrides, WhatOneDoesNotSetIsAsInTheRule) {
  const Headgated headgated(lab_.server(),
                            web_with(R"(connections: { per_client: 2, per_network: 5 }
overrides:
  - { clients: [10.64.0.0/16], connections: { per_client: 1, per_network: 1 } }
  - { clients: [10.64.7.0/24], connections: { per_client: 4 } })"));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 4));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.2", 1, "network_connections"));
  EXPECT_EQ(explained(headgated, "10.64.7.1").at("per_network").at("limit"), 5);
}

TEST_F(Overrides, UnlimitedLiftsOneLimitAndTheTotalStays) {
  const Headgated headgated(lab_.server(), web_with(R"(connections: { per_client: 2, total: 9 }
overrides:
  - { clients: [10.64.0.0/16], connections: { per_client: unlimited } })"));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 9, "total_connections"));
  EXPECT_FALSE(explained(headgated, "10.64.7.1").at("per_client").contains("limit"));
}

TEST_F(Overrides, MayLimitWhatTheRuleDoesNot) {
  const Headgated headgated(lab_.server(), web_with(R"(overrides:
  - clients: [10.64.7.0/24]
    connections: { per_network: 2 }
  - clients: [10.64.8.0/24]
    new_connections: { per_network: { rate: 1/h, burst: 2 } })"));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 2, "network_connections"));
  EXPECT_TRUE(may_hold(headgated, "10.64.8.1", 2, "network_rate"));
  EXPECT_TRUE(may_hold(headgated, "10.64.9.1", 20, "none"));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 24));
}

TEST_F(Overrides, HaveRatesOfTheirOwn) {
  const Headgated headgated(lab_.server(), web_with(R"(new_connections:
  per_client: { rate: 1/h, burst: 1 }
  per_network: { rate: 1/h, burst: 4 }
overrides:
  - clients: [10.64.7.0/24]
    new_connections: { per_client: { rate: 1/h, burst: 3 } }
  - clients: [10.64.8.0/24]
    new_connections: { per_client: unlimited, per_network: unlimited })"));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 3, "client_rate"));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.2", 1, "network_rate"));
  EXPECT_TRUE(may_hold(headgated, "10.64.8.1", 20, "none"));
  EXPECT_TRUE(may_hold(headgated, "10.0.1.2", 1, "client_rate"));
}

TEST_F(Overrides, GoByTheAddressAlsoWhenManyAddressesAreOneClient) {
  const Headgated headgated(lab_.server(), web_with(R"(client_prefix: { ipv4: 24 }
connections: { per_client: 2 }
overrides:
  - { clients: ["10.64.7.9"], connections: { per_client: 3 } })"));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 2));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.9", 1)) << "the third of the same client";
}

TEST_F(Overrides, OfAReloadHoldFromTheNextConnectionOn) {
  const std::string rule = "connections: { per_client: 2 }\n";
  const std::string more =
      "overrides: [{ clients: [10.64.0.0/16], connections: { per_client: 3 } }]";
  const Headgated headgated(lab_.server(), web_with(rule));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 2));
  headgated.reload(web_with(rule + more));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 1));
  headgated.reload(web_with(rule));
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), web_, "10.64.7.1"));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 3));
}

using Exempt = Overrides;

TEST_F(Exempt, ByAnOverrideOfTheRuleItIsCountedAndNeverRefused) {
  const Headgated headgated(lab_.server(),
                            web_with(R"(connections: { per_client: 1, per_network: 2 }
overrides:
  - { clients: [10.64.0.0/16, "2001:db8:64::/48"], exempt: true }
  - { clients: [10.64.9.0/24], connections: { per_network: 5 } })"));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 3));
  EXPECT_TRUE(may_hold(headgated, "2001:db8:64:7::1", 3));
  EXPECT_TRUE(may_hold(headgated, "10.64.9.1", 1));
  EXPECT_EQ(explained(headgated, "10.64.7.1").at("exempt_by"), "overrides");
  EXPECT_FALSE(explained(headgated, "10.64.9.1").contains("exempt_by"));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 7));
  EXPECT_EQ(headgated.client_connections("web", "10.64.7.1"), 3U);
}

TEST_F(Exempt, ByClientsExemptItIsSoForEveryRule) {
  const Server second(lab_.server(), lab_.server_ipv4(kPort + 1));
  const Headgated headgated(lab_.server(), web_rule("per_client: 0") + R"(
  - name: other
    listen: ["8081"]
    connections: { total: 0 }
clients: { exempt: [10.64.0.0/16] }
)");
  const Endpoint other = lab_.server_ipv4(kPort + 1);
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 2));
  EXPECT_TRUE(gets("total_connections", headgated, lab_.client(0), other, "10.64.7.1"));
  EXPECT_TRUE(refused(lab_.client(0), web_));
  EXPECT_TRUE(refused(lab_.client(0), other));
  EXPECT_EQ(explained(headgated, "10.64.7.1").at("exempt_by"), "clients.exempt");
  EXPECT_EQ(headgated.rule("web").connections, 2U);
}

TEST_F(Exempt, IsStrongerThanDenied) {
  const Headgated headgated(lab_.server(), web_with(R"(overrides:
  - { clients: [10.64.8.0/24], exempt: true })") +
                                               "clients: { exempt: [10.64.7.1], deny: "
                                               "[10.64.0.0/16] }\n");
  headgated.ctl({"deny", "add", "10.64.7.1", "10.64.8.1", "0.0.0.0/0"});
  EXPECT_TRUE(may_hold(headgated, "10.64.7.1", 1, "denied"));
  EXPECT_TRUE(may_hold(headgated, "10.64.8.1", 1, "denied"));
  EXPECT_TRUE(may_hold(headgated, "10.64.7.2", 0, "denied"));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 2));
  EXPECT_EQ(headgated.refused_for("web", "denied"), 1U);
}

}  // namespace
}  // namespace headgate::lab
