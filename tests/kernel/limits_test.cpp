// SPDX-License-Identifier: Apache-2.0
// What a rule's limits allow and refuse, and where a rule applies.
#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

struct Family {
  const char* name;
  const char* listen_address;
  bool connect_over_ipv6;
};

class LimitPerClient : public testing::TestWithParam<Family> {
 protected:
  Endpoint server_at(std::uint16_t port) const {
    return GetParam().connect_over_ipv6 ? lab_.server_ipv6(port) : lab_.server_ipv4(port);
  }
  Endpoint listen_at(std::uint16_t port) const {
    return {address(GetParam().listen_address), port};
  }

  const Lab lab_;
  const Server web_{lab_.server(), listen_at(kPort), {.dual_stack = true}};
  const Server other_{lab_.server(), listen_at(kPort + 1), {.dual_stack = true}};
};

TEST_P(LimitPerClient, ConnectionsUpToTheLimitSucceedAndTheNextIsRefusedAtOnce) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 10"));
  const auto held = hold(lab_.client(0), server_at(kPort), 10);
  ASSERT_EQ(held.size(), 10U);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(refused(lab_.client(0), server_at(kPort)));

  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 10));
  EXPECT_EQ(headgated.rule("web").refused, 5U);
  EXPECT_EQ(headgated.rule("web").clients, 1U);
}

TEST_P(LimitPerClient, AfterOneClosesTheNextSucceeds) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 3"));
  auto held = hold(lab_.client(0), server_at(kPort), 3);
  EXPECT_TRUE(refused(lab_.client(0), server_at(kPort)));

  held.pop_back();
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 2));
  held.push_back(lab_.client(0).connect(server_at(kPort)).socket);
  EXPECT_TRUE(held.back());
  EXPECT_TRUE(refused(lab_.client(0), server_at(kPort)));
}

TEST_P(LimitPerClient, OtherClientsAreUntouched) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 3"));
  const auto first = hold(lab_.client(0), server_at(kPort), 3);
  EXPECT_TRUE(refused(lab_.client(0), server_at(kPort)));

  const auto second = hold(lab_.client(1), server_at(kPort), 3);
  EXPECT_EQ(second.size(), 3U);
  EXPECT_TRUE(refused(lab_.client(1), server_at(kPort)));
  EXPECT_EQ(headgated.rule("web").clients, 2U);
}

TEST_P(LimitPerClient, PortsWithoutARuleAreUntouched) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 1"));
  const auto ruled = hold(lab_.client(0), server_at(kPort), 1);
  EXPECT_TRUE(refused(lab_.client(0), server_at(kPort)));

  EXPECT_EQ(hold(lab_.client(0), server_at(kPort + 1), 20).size(), 20U);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 1));
}

TEST_P(LimitPerClient, LimitZeroRefusesAll) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 0"));
  EXPECT_TRUE(refused(lab_.client(0), server_at(kPort)));
  EXPECT_TRUE(refused(lab_.client(1), server_at(kPort)));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));
  EXPECT_EQ(headgated.rule("web").refused, 2U);
}

INSTANTIATE_TEST_SUITE_P(Over, LimitPerClient,
                         testing::Values(Family{"IPv4", "0.0.0.0", false},
                                         Family{"IPv6", "::", true},
                                         Family{"DualStackFromIPv4", "::", false}),
                         [](const auto& family) { return family.param.name; });

TEST(Limits, ALimitLeftOutIsNoLimitButConnectionsAreCounted) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 1000"));
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 200);
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 200));
  EXPECT_EQ(headgated.client_connections("web", "10.0.1.2"), 200U);
}

TEST(Limits, TheTotalLimitCountsAllClientsTogether) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 4, total: 5"));
  auto first = hold(lab.client(0), lab.server_ipv4(kPort), 3);
  const auto second = hold(lab.client(1), lab.server_ipv4(kPort), 2);

  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_TRUE(refused(lab.client(1), lab.server_ipv4(kPort)));
  const auto refusals = headgated.status().at("rules").at(0).at("refused");
  EXPECT_EQ(refusals.value("total_connections", 0), 2) << refusals;

  first.pop_back();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 4));
  EXPECT_TRUE(admitted(lab.client(1), lab.server_ipv4(kPort)));
}

TEST(Limits, ATotalOfZeroRefusesAll) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("total: 0"));
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
}

TEST(Limits, ASpecificAddressWinsOverABarePort) {
  const Lab lab;
  const Server server(lab.server(), {address("::"), kPort}, {.dual_stack = true});
  const Headgated headgated(lab.server(), R"(
rules:
  - name: any
    listen: ["8080"]
    connections: { per_client: 3 }
  - name: special
    listen: ["10.0.1.1:8080", "[2001:db8:0:1::1]:8080"]
    connections: { per_client: 1 }
)");
  const auto any = hold(lab.client(0), lab.server_ipv4(kPort), 3);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));

  const Endpoint special4{address("10.0.1.1"), kPort};
  const auto held = hold(lab.client(0), special4, 1);
  EXPECT_TRUE(refused(lab.client(0), special4));
  const Endpoint special6{address("2001:db8:0:1::1"), kPort};
  const auto held6 = hold(lab.client(0), special6, 1);
  EXPECT_TRUE(refused(lab.client(0), special6));

  EXPECT_EQ(headgated.rule("any").connections, 3U);
  EXPECT_EQ(headgated.rule("special").connections, 2U);
}

TEST(Limits, AnAddressWithoutARuleIsUntouched) {
  const Lab lab;
  const Server server(lab.server(), {address("0.0.0.0"), kPort});
  const Headgated headgated(lab.server(), R"(
rules:
  - name: one
    listen: ["10.0.0.1:8080"]
    connections: { per_client: 0 }
)");
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_EQ(hold(lab.client(0), {address("10.0.1.1"), kPort}, 5).size(), 5U);
  EXPECT_EQ(headgated.rule("one").connections, 0U);
}

TEST(Limits, ThePortsOfARangeShareOneLimit) {
  const Lab lab;
  std::vector<std::unique_ptr<Server>> servers;
  for (std::uint16_t port = 7999; port <= 8004; ++port) {
    servers.push_back(std::make_unique<Server>(lab.server(), lab.server_ipv4(port)));
  }
  const Headgated headgated(lab.server(), R"(
rules:
  - name: range
    listen: ["8000-8003"]
    connections: { per_client: 4 }
)");
  std::vector<std::vector<UniqueFd>> held;
  for (std::uint16_t port = 8000; port <= 8003; ++port) {
    held.push_back(hold(lab.client(0), lab.server_ipv4(port), 1));
  }
  for (std::uint16_t port = 8000; port <= 8003; ++port) {
    EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(port))) << port;
  }
  EXPECT_EQ(hold(lab.client(0), lab.server_ipv4(7999), 5).size(), 5U);
  EXPECT_EQ(hold(lab.client(0), lab.server_ipv4(8004), 5).size(), 5U);
  EXPECT_EQ(headgated.rule("range").connections, 4U);
}

TEST(Limits, SocketsOfAnotherNamespaceOnTheSamePortAreNeitherCountedNorLimited) {
  const Lab lab;
  const Lab elsewhere;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Server twin(elsewhere.server(), elsewhere.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 2"));

  const auto others = hold(elsewhere.client(0), elsewhere.server_ipv4(kPort), 5);
  EXPECT_EQ(others.size(), 5U);
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));

  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 2);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 2));
}

}  // namespace
}  // namespace headgate::lab
