// SPDX-License-Identifier: Apache-2.0
// Which source addresses are one client.
#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

ConnectOptions from(const std::string& source) {
  return {.from = Endpoint{address(source)}};
}

std::vector<UniqueFd> hold_from(const std::string& source, const Lab& lab, const Endpoint& to,
                                int count) {
  return hold(lab.client(0), to, count, Endpoint{address(source)});
}

TEST(Clients, TwoAddressesOfOneIPv6Slash64AreOneClient) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv6(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 3"));
  const auto one = hold_from("2001:db8:64:1::a", lab, lab.server_ipv6(kPort), 2);
  const auto two = hold_from("2001:db8:64:1:ffff::b", lab, lab.server_ipv6(kPort), 1);

  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv6(kPort), from("2001:db8:64:1::a")));
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv6(kPort), from("2001:db8:64:1::c")));
  EXPECT_EQ(headgated.client_connections("web", "2001:db8:64:1::/64"), 3U);
  EXPECT_EQ(headgated.rule("web").clients, 1U);
}

TEST(Clients, TwoIPv6Slash64AreTwoClients) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv6(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 1"));
  const auto one = hold_from("2001:db8:64:1::a", lab, lab.server_ipv6(kPort), 1);
  const auto two = hold_from("2001:db8:64:2::a", lab, lab.server_ipv6(kPort), 1);
  EXPECT_EQ(headgated.rule("web").clients, 2U);
}

TEST(Clients, TwoIPv4AddressesAreTwoClients) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 1"));
  const auto one = hold_from("10.64.0.1", lab, lab.server_ipv4(kPort), 1);
  const auto two = hold_from("10.64.0.2", lab, lab.server_ipv4(kPort), 1);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort), from("10.64.0.1")));
  EXPECT_EQ(headgated.rule("web").clients, 2U);
}

TEST(Clients, AnIPv4ClientOfADualStackListenerIsTheSameIPv4Client) {
  const Lab lab;
  const Server dual(lab.server(), {address("::"), kPort}, {.dual_stack = true});
  const Server plain(lab.server(), {address("0.0.0.0"), kPort + 1});
  const Headgated headgated(lab.server(), R"(
rules:
  - name: both
    listen: ["8080-8081"]
    connections: { per_client: 4 }
)");
  const auto mapped = hold(lab.client(0), lab.server_ipv4(kPort), 2);
  const auto ipv4 = hold(lab.client(0), lab.server_ipv4(kPort + 1), 2);

  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort + 1)));
  EXPECT_EQ(headgated.client_connections("both", "10.0.1.2"), 4U);
  EXPECT_EQ(headgated.rule("both").clients, 1U);
  EXPECT_TRUE(admitted(lab.client(0), lab.server_ipv6(kPort)));
}

TEST(Clients, AClientPrefixGroupsAddresses) {
  const Lab lab;
  const Server server(lab.server(), {address("::"), kPort}, {.dual_stack = true});
  const Headgated headgated(lab.server(),
                            web_rule("per_client: 2", "client_prefix: { ipv4: 24, ipv6: 128 }"));
  const auto one = hold_from("10.64.7.1", lab, lab.server_ipv4(kPort), 1);
  const auto two = hold_from("10.64.7.2", lab, lab.server_ipv4(kPort), 1);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort), from("10.64.7.3")));
  EXPECT_TRUE(admitted(lab.client(0), lab.server_ipv4(kPort), from("10.64.8.1")));
  EXPECT_EQ(headgated.client_connections("web", "10.64.7.0/24"), 2U);

  const auto six = hold_from("2001:db8:64:1::a", lab, lab.server_ipv6(kPort), 2);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv6(kPort), from("2001:db8:64:1::a")));
  EXPECT_TRUE(admitted(lab.client(0), lab.server_ipv6(kPort), from("2001:db8:64:1::b")));
}

TEST(Clients, TheRulesOfAServerCountApart) {
  const Lab lab;
  const Server web(lab.server(), lab.server_ipv4(kPort));
  const Server api(lab.server(), lab.server_ipv4(kPort + 1));
  const Headgated headgated(lab.server(), R"(
defaults: { client_prefix: { ipv4: 16 } }
rules:
  - name: web
    listen: ["8080"]
    connections: { per_client: 1 }
  - name: api
    listen: ["8081"]
    connections: { per_client: 2 }
    client_prefix: { ipv4: 32 }
)");
  const auto first = hold(lab.client(0), lab.server_ipv4(kPort), 1);
  EXPECT_TRUE(refused(lab.client(1), lab.server_ipv4(kPort))) << "10.0.0.0/16 is one client here";
  const auto second = hold(lab.client(0), lab.server_ipv4(kPort + 1), 2);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort + 1)));
  EXPECT_TRUE(admitted(lab.client(1), lab.server_ipv4(kPort + 1)));
}

TEST(Clients, AreListedByWhatIsAskedForMostFirst) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 3"));
  const auto most_connections = hold_from("10.64.0.1", lab, lab.server_ipv4(kPort), 3);
  const auto most_refused = hold_from("10.64.0.2", lab, lab.server_ipv4(kPort), 1);
  EXPECT_TRUE(headgated.run_ctl({"set", "web", "connections.per_client=1"}).status == 0);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort), from("10.64.0.2")));
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(admitted(lab.client(0), lab.server_ipv4(kPort), from("10.64.0.3")));
    EXPECT_TRUE(eventually(
        2s, [&] { return headgated.client_connections("web", "10.64.0.3") == 0; }, 1ms));
  }
  const auto first = [&](const std::vector<std::string>& options) {
    std::vector<std::string> command = {"clients"};
    command.insert(command.end(), options.begin(), options.end());
    const nlohmann::json listed = headgated.ctl(command).at("clients");
    return listed.empty() ? std::string() : listed.at(0).at("prefix").get<std::string>();
  };
  EXPECT_EQ(first({}), "10.64.0.1");
  EXPECT_EQ(first({"--sort", "connections"}), "10.64.0.1");
  EXPECT_EQ(first({"--sort", "refused"}), "10.64.0.2");
  EXPECT_EQ(first({"--sort", "rate"}), "10.64.0.3");
  EXPECT_EQ(headgated.ctl({"clients", "--sort", "refused", "--min", "1"}).at("clients").size(), 1U);
  EXPECT_EQ(headgated.ctl({"clients", "--min", "2"}).at("clients").size(), 1U);
  EXPECT_EQ(headgated.ctl({"clients", "--limit", "2"}).at("clients").size(), 2U);
}

}  // namespace
}  // namespace headgate::lab
