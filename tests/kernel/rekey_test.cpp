// SPDX-License-Identifier: Apache-2.0
// A change of how rules or clients are told apart counts the open connections anew.
#include <atomic>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr std::uint16_t kOtherPort = kPort + 1;

class Rekey : public testing::Test {
 protected:
  // Two clients, two connections each from two addresses of theirs, on both ports.
  Rekey() {
    for (const std::uint16_t port : {kPort, kOtherPort}) {
      for (std::size_t client = 0; client < 2; ++client) {
        for (const int last : {1, 2}) {
          const std::string from =
              "10." + std::to_string(64 + client) + ".7." + std::to_string(last);
          for (auto& socket :
               hold(lab_.client(client), lab_.server_ipv4(port), 2, Endpoint{address(from), 0})) {
            held_.push_back(std::move(socket));
          }
        }
      }
    }
  }

  void close_all_and_expect_nothing_left(const Headgated& headgated,
                                         const std::vector<std::string>& rules) {
    held_.clear();
    for (const std::string& rule : rules) {
      EXPECT_TRUE(eventually(5s, [&] { return headgated.rule(rule).connections == 0; })) << rule;
      EXPECT_TRUE(eventually(5s, [&] { return headgated.rule(rule).clients == 0; })) << rule;
    }
  }

  const Lab lab_;
  const Server web_{lab_.server(), lab_.server_ipv4(kPort)};
  const Server api_{lab_.server(), lab_.server_ipv4(kOtherPort)};
  std::vector<UniqueFd> held_;
};

TEST_F(Rekey, AWiderClientPrefixGathersTheClients) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 100"));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 8));
  EXPECT_EQ(headgated.client_connections("web", "10.64.7.1"), 2U);

  const auto report = headgated.reload(web_rule("per_client: 100", "client_prefix: { ipv4: 24 }"));
  EXPECT_EQ(report.at("rekeyed"), 8);
  EXPECT_EQ(headgated.rule("web").clients, 2U);
  EXPECT_EQ(headgated.client_connections("web", "10.64.7.0/24"), 4U);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 8));

  headgated.reload(web_rule("per_client: 100"));
  EXPECT_EQ(headgated.client_connections("web", "10.64.7.1"), 2U);
  close_all_and_expect_nothing_left(headgated, {"web"});
}

TEST_F(Rekey, ARuleThatIsSplitRenamedOrMovedTakesItsConnectionsAlong) {
  const std::string both = "rules: [{ name: all, listen: [8080, 8081] }]\n";
  const std::string split =
      "rules: [{ name: all, listen: [8080] }, { name: api, listen: [8081] }]\n";
  const std::string renamed =
      "rules: [{ name: front, listen: [8080] }, { name: api, listen: [8081] }]\n";
  const std::string moved =
      "rules: [{ name: front, listen: [8081] }, { name: api, listen: [8080] }]\n";
  const Headgated headgated(lab_.server(), both);
  EXPECT_EQ(headgated.rule("all").connections, 16U);

  EXPECT_EQ(headgated.reload(split).at("rekeyed"), 8);
  EXPECT_TRUE(counts(headgated, "all", lab_.server(), kPort, 8));
  EXPECT_TRUE(counts(headgated, "api", lab_.server(), kOtherPort, 8));

  EXPECT_EQ(headgated.reload(renamed).at("rekeyed"), 8);
  EXPECT_TRUE(counts(headgated, "front", lab_.server(), kPort, 8));
  EXPECT_EQ(headgated.rule("front").admitted, 0U) << "counters are the new rule's own";

  EXPECT_EQ(headgated.reload(moved).at("rekeyed"), 16);
  EXPECT_TRUE(counts(headgated, "front", lab_.server(), kOtherPort, 8));
  EXPECT_TRUE(counts(headgated, "api", lab_.server(), kPort, 8));
  close_all_and_expect_nothing_left(headgated, {"front", "api"});
}

TEST_F(Rekey, ANewRuleCountsConnectionsThatAreOlderThanIt) {
  const Headgated headgated(lab_.server(), "rules: [{ name: web, listen: [8080] }]\n");
  headgated.reload(
      "rules: [{ name: web, listen: [8080] }, { name: api, listen: [8081], connections: { "
      "per_client: 2 } }]\n");
  EXPECT_TRUE(counts(headgated, "api", lab_.server(), kOtherPort, 8));
  EXPECT_EQ(headgated.rule("api").adopted, 8U);
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kOtherPort),
                      {.from = Endpoint{address("10.64.7.1"), 0}}));

  headgated.reload("rules: [{ name: web, listen: [8080] }]\n");
  headgated.reload("rules: [{ name: web, listen: [8080] }, { name: api, listen: [8081] }]\n");
  EXPECT_TRUE(counts(headgated, "api", lab_.server(), kOtherPort, 8));
  close_all_and_expect_nothing_left(headgated, {"web", "api"});
}

TEST_F(Rekey, ANetworkLimitThatAppearsCountsTheNetworksOfOpenConnections) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 100"));
  headgated.reload(web_rule("per_network: 5"));
  EXPECT_TRUE(admitted(lab_.client(0), lab_.server_ipv4(kPort),
                       {.from = Endpoint{address("10.64.7.9"), 0}}));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 8));
  auto fifth = hold(lab_.client(0), lab_.server_ipv4(kPort), 1, Endpoint{address("10.64.7.9"), 0});
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort),
                      {.from = Endpoint{address("10.64.7.3"), 0}}));
  EXPECT_EQ(headgated.refused_for("web", "network_connections"), 1U);

  headgated.reload(web_rule("per_network: 5", "network_prefix: { ipv4: 16 }"));
  EXPECT_EQ(headgated.ctl({"explain", "10.64.99.99", "--port", "8080"})
                .at("explanations")
                .at(0)
                .at("per_network")
                .at("connections"),
            5);
  fifth.clear();
  close_all_and_expect_nothing_left(headgated, {"web"});
}

TEST_F(Rekey, LoweringALimitClosesNothing) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 100"));
  const auto report = headgated.reload(web_rule("per_client: 1"));
  EXPECT_EQ(report.at("rekeyed"), 0);
  std::this_thread::sleep_for(1500ms);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 8));
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort),
                      {.from = Endpoint{address("10.64.7.1"), 0}}));
  EXPECT_EQ(headgated.rule("web").overshoot_closed, 0U);
}

TEST_F(Rekey, UnderLoadTheCountsAreThoseOfTheLiveSocketsInTheEnd) {
  const std::string narrow = web_rule("per_client: 1000, per_network: 5000");
  const std::string wide =
      "rules: [{ name: front, listen: [8080], client_prefix: { ipv4: 20 }, connections: { "
      "per_client: 1000 }, network_prefix: { ipv4: 16 } }]\n";
  const Headgated headgated(lab_.server(), narrow);
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (std::size_t client = 0; client < 2; ++client) {
    threads.emplace_back([&, client] {
      lab_.client(client).network().run([&] {
        for (int i = 0; !stop; ++i) {
          const std::string from = "10." + std::to_string(64 + client) + "." +
                                   std::to_string(i % 50) + "." + std::to_string(1 + i % 99);
          ConnectResult result =
              connect_to(lab_.server_ipv4(kPort), {.from = Endpoint{address(from), 0}});
          if (result.connected() && i % 3 != 0)
            close_socket(std::move(result.socket), CloseKind::kReset);
        }
      });
    });
  }
  for (int i = 0; i < 10; ++i) headgated.reload(i % 2 == 0 ? wide : narrow);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 8));
  EXPECT_EQ(headgated.client_connections("web", "10.64.7.1"), 2U);
  close_all_and_expect_nothing_left(headgated, {"web"});
}

}  // namespace
}  // namespace headgate::lab
