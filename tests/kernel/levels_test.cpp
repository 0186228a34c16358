// SPDX-License-Identifier: Apache-2.0
// Limits of connections at every level: the client, its network, all clients together.
#include <atomic>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/raw_tcp.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

// Addresses of client 0: two in one network, one in the next network; both networks are in one
// wider one.
struct Family {
  const char* name;
  bool is_ipv6;
  const char* neighbours[2];
  const char* stranger;
  const char* client_prefix;
  const char* wider_network_prefix;
};

class NetworkLevel : public testing::TestWithParam<Family> {
 protected:
  std::vector<UniqueFd> hold_from(const char* from, int count) const {
    return hold(lab_.client(0), web_, count, Endpoint{address(from)});
  }
  testing::AssertionResult gets_from(const char* from, const char* reason) const {
    return gets(reason, *headgated_, lab_.client(0), web_, from);
  }
  void start(const std::string& keys) {
    headgated_ = std::make_unique<Headgated>(lab_.server(), web_with(keys));
  }

  const Family family_ = GetParam();
  const Lab lab_;
  const Endpoint web_ = family_.is_ipv6 ? lab_.server_ipv6(kPort) : lab_.server_ipv4(kPort);
  const Server server_{lab_.server(), {address("::"), kPort}, {.dual_stack = true}};
  std::unique_ptr<Headgated> headgated_;
};

TEST_P(NetworkLevel, ClientsOfOneNetworkShareItsLimitAndAnotherNetworkIsFree) {
  start("connections: { per_client: 3, per_network: 4 }");
  auto first = hold_from(family_.neighbours[0], 3);
  EXPECT_TRUE(gets_from(family_.neighbours[0], "client_connections"));
  const auto second = hold_from(family_.neighbours[1], 1);
  EXPECT_TRUE(gets_from(family_.neighbours[1], "network_connections"));
  EXPECT_TRUE(gets_from(family_.stranger, "none"));

  first.pop_back();
  EXPECT_TRUE(counts(*headgated_, "web", lab_.server(), kPort, 3));
  EXPECT_TRUE(gets_from(family_.neighbours[1], "none"));
}

TEST_P(NetworkLevel, AnotherNetworkPrefixMakesAnotherNetwork) {
  start(std::string("connections: { per_network: 2 }\nnetwork_prefix: ") +
        family_.wider_network_prefix);
  const auto first = hold_from(family_.neighbours[0], 1);
  const auto second = hold_from(family_.stranger, 1);
  for (const char* client : {family_.neighbours[0], family_.neighbours[1], family_.stranger}) {
    EXPECT_TRUE(gets_from(client, "network_connections")) << client;
  }
}

TEST_P(NetworkLevel, ANetworkAsNarrowAsTheClientIsTheClient) {
  start(std::string("connections: { per_network: 2 }\nnetwork_prefix: ") + family_.client_prefix);
  const auto first = hold_from(family_.neighbours[0], 2);
  EXPECT_TRUE(gets_from(family_.neighbours[0], "network_connections"));
  EXPECT_TRUE(gets_from(family_.neighbours[1], "none"));
}

TEST_P(NetworkLevel, ALimitThatAReloadAddsCountsWhatIsOpenAlready) {
  start("connections: { per_client: 10 }");
  const auto first = hold_from(family_.neighbours[0], 2);
  const auto second = hold_from(family_.neighbours[1], 1);
  headgated_->reload(web_with("connections: { per_client: 10, per_network: 3 }"));
  EXPECT_EQ(counted_at("per_network", *headgated_, family_.neighbours[0], web_), 3U);
  EXPECT_TRUE(gets_from(family_.neighbours[1], "network_connections"));
  EXPECT_TRUE(gets_from(family_.stranger, "none"));
}

INSTANTIATE_TEST_SUITE_P(Over, NetworkLevel,
                         testing::Values(Family{"IPv4",
                                                false,
                                                {"10.64.7.1", "10.64.7.200"},
                                                "10.64.8.1",
                                                "{ ipv4: 32 }",
                                                "{ ipv4: 16 }"},
                                         Family{"IPv6",
                                                true,
                                                {"2001:db8:64:1::1", "2001:db8:64:2::1"},
                                                "2001:db8:0:1::2",
                                                "{ ipv6: 64 }",
                                                "{ ipv6: 32 }"}),
                         [](const auto& family) { return family.param.name; });

constexpr const char* kExempt = "10.64.0.9";
constexpr const char* kExemptClients = "clients:\n  exempt: [10.64.0.9]\n";

class Levels : public testing::Test {
 protected:
  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Server server_{lab_.server(), web_};
};

TEST_F(Levels, TheReserveOfTheTotalIsForExemptClients) {
  const Headgated headgated(
      lab_.server(),
      web_with("connections: { per_client: 2, total: 5, reserve: 2 }") + kExemptClients);
  const auto first = hold(lab_.client(0), web_, 2);
  const auto second = hold(lab_.client(1), web_, 1);
  EXPECT_TRUE(gets("total_connections", headgated, lab_.client(1), web_));
  EXPECT_EQ(hold(lab_.client(0), web_, 4, Endpoint{address(kExempt)}).size(), 4U)
      << "beyond the total, and beyond the limit of a client";
}

TEST_F(Levels, AnExemptClientIsCountedAndGetsInWhenTheTotalIsReached) {
  const Headgated headgated(lab_.server(), web_with("connections: { total: 3 }") + kExemptClients);
  auto others = hold(lab_.client(0), web_, 3);
  EXPECT_TRUE(gets("total_connections", headgated, lab_.client(1), web_));
  const auto exempt = hold(lab_.client(0), web_, 2, Endpoint{address(kExempt)});
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 5));
  EXPECT_EQ(headgated.rule("web").overshoot_closed, 0U);

  others.resize(1);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 3));
  EXPECT_TRUE(gets("total_connections", headgated, lab_.client(1), web_))
      << "exempt clients use up the total for the others";
}

TEST_F(Levels, AReserveAsLargeAsTheTotalLetsOnlyExemptClientsIn) {
  const Headgated headgated(lab_.server(),
                            web_with("connections: { total: 2, reserve: 2 }") + kExemptClients);
  EXPECT_TRUE(gets("total_connections", headgated, lab_.client(0), web_));
  EXPECT_EQ(hold(lab_.client(0), web_, 3, Endpoint{address(kExempt)}).size(), 3U);
}

TEST_F(Levels, EachLevelThatIsFullRefusesForItsOwnReason) {
  const Headgated headgated(lab_.server(),
                            web_with("connections: { per_client: 2, per_network: 3, total: 5 }"));
  const std::string one = "10.64.7.1", neighbour = "10.64.7.2", stranger = "10.64.8.1";
  const auto from = [&](const std::string& client) { return Endpoint{address(client)}; };
  std::vector<std::vector<UniqueFd>> held;
  held.push_back(hold(lab_.client(0), web_, 2, from(one)));
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), web_, one));
  held.push_back(hold(lab_.client(0), web_, 1, from(neighbour)));
  EXPECT_TRUE(gets("network_connections", headgated, lab_.client(0), web_, neighbour));
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), web_, one));
  held.push_back(hold(lab_.client(0), web_, 2, from(stranger)));
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), web_, stranger));
  EXPECT_TRUE(gets("total_connections", headgated, lab_.client(1), web_));
  EXPECT_TRUE(gets("network_connections", headgated, lab_.client(0), web_, neighbour));

  EXPECT_EQ(counted_at("per_client", headgated, neighbour, web_), 1U);
  EXPECT_EQ(counted_at("per_network", headgated, neighbour, web_), 3U);
  EXPECT_EQ(counted_at("total", headgated, neighbour, web_), 5U);
}

TEST_F(Levels, EveryEndOfAConnectionReleasesItAtEveryLevel) {
  const Headgated headgated(lab_.server(),
                            web_with("connections: { per_client: 2, per_network: 3, total: 4 }"));
  const std::string one = "10.64.7.1", neighbour = "10.64.7.2";
  for (int round = 0; round < 3; ++round) {
    auto first = hold(lab_.client(0), web_, 2, Endpoint{address(one)});
    auto second = hold(lab_.client(0), web_, 1, Endpoint{address(neighbour)});
    ASSERT_TRUE(counts(headgated, "web", lab_.server(), kPort, 3)) << "round " << round;
    ASSERT_EQ(counted_at("per_network", headgated, one, web_), 3U);
    close_socket(std::move(first[0]), CloseKind::kReset);
    close_socket(std::move(first[1]), CloseKind::kFin);
    close_socket(std::move(second[0]), CloseKind::kReset);
    ASSERT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0)) << "round " << round;
    for (const char* level : {"per_client", "per_network", "total"}) {
      EXPECT_EQ(counted_at(level, headgated, one, web_), 0U) << level;
      EXPECT_EQ(counted_at(level, headgated, neighbour, web_), 0U) << level;
    }
  }
}

TEST_F(Levels, HalfOpenConnectionsCountForTheNetworkTooWhenAllAreCounted) {
  const Headgated headgated(lab_.server(),
                            web_with("connections: { per_network: 3 }\ncount_half_open: all"));
  RawClient raw(lab_.client(0));
  for (int i = 1; i <= 3; ++i) {
    const Endpoint client{address("198.18.1." + std::to_string(i)), 40000};
    raw.send_syn(client, web_);
    EXPECT_TRUE(raw.receive(web_, client));
  }
  lab_.client(0).own("198.18.1.4/32");
  lab_.client(0).own("198.18.2.4/32");
  EXPECT_TRUE(gets("network_connections", headgated, lab_.client(0), web_, "198.18.1.4"));
  EXPECT_TRUE(gets("none", headgated, lab_.client(0), web_, "198.18.2.4"));
}

// Half-open connections count for their client only, so together they can go beyond the others.
TEST_F(Levels, HandshakesThatCompleteTogetherBeyondTheNetworksLimitAreClosed) {
  const Headgated headgated(lab_.server(), web_with("connections: { per_network: 2 }"));
  RawClient raw(lab_.client(0));
  std::vector<TcpSegment> syn_acks;
  for (int i = 1; i <= 5; ++i) {
    const Endpoint client{address("198.18.1." + std::to_string(i)), 40000};
    raw.send_syn(client, web_);
    const auto answer = raw.receive(web_, client);
    ASSERT_TRUE(answer && answer->flags.syn);
    syn_acks.push_back(*answer);
  }
  for (const TcpSegment& syn_ack : syn_acks) raw.send_ack(syn_ack);

  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 2));
  EXPECT_EQ(headgated.rule("web").overshoot_closed, 3U);
  EXPECT_EQ(headgated.rule("web").admitted, 2U);
  EXPECT_EQ(counted_at("per_network", headgated, "198.18.1.1", web_), 2U);
}

// Clients of three networks come and go, on every processor at once.
TEST_F(Levels, AStormLeavesNothingCountedAtAnyLevel) {
  constexpr std::size_t kThreads = 24;
  const Headgated headgated(
      lab_.server(), web_with("connections: { per_client: 12, per_network: 20, total: 50 }"));
  std::atomic<std::uint64_t> connected{0};
  std::atomic<std::uint64_t> refused_attempts{0};
  std::vector<std::thread> threads;
  const auto end = std::chrono::steady_clock::now() + 3s;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      lab_.client(0).network().enter();
      const Endpoint from{
          address("10.64." + std::to_string(i % 3) + "." + std::to_string(1 + i % 8))};
      std::vector<UniqueFd> held;
      while (std::chrono::steady_clock::now() < end) {
        ConnectResult result = connect_to(web_, {.from = from});
        ++(result.connected() ? connected : refused_attempts);
        if (result.connected()) held.push_back(std::move(result.socket));
        if (held.size() < 6 && result.error == 0) continue;
        for (UniqueFd& socket : held) close_socket(std::move(socket), CloseKind::kReset);
        held.clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_GT(connected, 1000U);
  EXPECT_GT(refused_attempts, 100U);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));
  EXPECT_EQ(headgated.rule("web").clients, 0U);
  for (std::size_t i = 0; i < kThreads; ++i) {
    const std::string client = "10.64." + std::to_string(i % 3) + "." + std::to_string(1 + i % 8);
    const nlohmann::json told = explain(headgated, client, web_);
    for (const char* level : {"per_client", "per_network", "total"}) {
      EXPECT_EQ(told.at(level).at("connections"), 0) << client << " " << level;
    }
  }
  EXPECT_EQ(headgated.metrics().at("headgate_table_entries{table=\"clients\"}"), 0);
  EXPECT_EQ(headgated.metrics().at("headgate_table_entries{table=\"connections\"}"), 0);
}

}  // namespace
}  // namespace headgate::lab
