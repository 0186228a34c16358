// SPDX-License-Identifier: Apache-2.0
// `headgatectl explain` tells what the next connection of a client gets. (That it does for every
// reason and action is also asserted, by gets(), where these are tested.)
#include <gmock/gmock.h>

#include "tests/kernel/support.h"
#include "tests/lab/raw_tcp.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

using testing::HasSubstr;

class Explain : public testing::Test {
 protected:
  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Server server_{lab_.server(), {address("::"), kPort}, {.dual_stack = true}};
};

TEST_F(Explain, TellsWhatIsCountedAtEachLevelAgainstWhichLimit) {
  const Headgated headgated(lab_.server(), web_with(R"(connections:
  { per_client: 10, per_network: 20, total: 30, reserve: 3 }
new_connections: { per_client: { rate: 1/h, burst: 5 }, total: { rate: 2/h, burst: 50 } }
overrides: [{ clients: [10.64.7.0/24], connections: { per_client: 7 } }])"));
  const auto one = hold(lab_.client(0), web_, 2, Endpoint{address("10.64.7.1")});
  const auto neighbour = hold(lab_.client(0), web_, 3, Endpoint{address("10.64.7.2")});
  const auto stranger = hold(lab_.client(1), web_, 1);

  const nlohmann::json told = explain(headgated, "10.64.7.1", web_);
  EXPECT_EQ(told.at("rule"), "web");
  EXPECT_EQ(told.at("client"), "10.64.7.1");
  EXPECT_EQ(told.at("overridden_by"), "10.64.7.0/24");
  EXPECT_EQ(told.at("reserve"), 3);
  EXPECT_EQ(told.at("generation"), headgated.status().at("generation"));
  const nlohmann::json& client = told.at("per_client");
  EXPECT_EQ(client.at("who"), "10.64.7.1");
  EXPECT_EQ(client.at("connections"), 2);
  EXPECT_EQ(client.at("limit"), 7);
  EXPECT_NEAR(client.at("bucket").at("tokens"), 3, 0.01);
  const nlohmann::json& network = told.at("per_network");
  EXPECT_EQ(network.at("who"), "10.64.7.0/24");
  EXPECT_EQ(network.at("connections"), 5);
  EXPECT_EQ(network.at("limit"), 20);
  EXPECT_FALSE(network.contains("bucket"));
  const nlohmann::json& total = told.at("total");
  EXPECT_EQ(total.at("connections"), 6);
  EXPECT_EQ(total.at("limit"), 30);
  EXPECT_NEAR(total.at("bucket").at("tokens"), 44, 0.01);
}

TEST_F(Explain, TellsWhenTheNextTokenComes) {
  const Headgated headgated(lab_.server(),
                            web_with("new_connections: { per_client: { rate: 1/m, burst: 1 } }"));
  EXPECT_TRUE(admitted(lab_.client(0), web_));
  const nlohmann::json told = explain(headgated, "10.0.1.2", web_);
  EXPECT_EQ(told.at("reason"), "client_rate");
  EXPECT_NEAR(told.at("per_client").at("bucket").at("until_next_ns").get<double>(), 60e9, 5e9);
  EXPECT_EQ(explain(headgated, "10.0.2.2", web_).at("per_client").at("bucket").at("until_next_ns"),
            0);
}

TEST_F(Explain, CountsHalfOpenConnectionsAsTheJudgeDoes) {
  const Headgated headgated(lab_.server(), web_with("connections: { per_client: 3, total: 10 }"));
  RawClient raw(lab_.client(0));
  for (std::uint16_t port = 40000; port < 40003; ++port) {
    raw.send_syn({address("198.18.0.9"), port}, web_);
    EXPECT_TRUE(raw.receive(web_, {address("198.18.0.9"), port}));
  }
  const nlohmann::json told = explain(headgated, "198.18.0.9", web_);
  EXPECT_EQ(told.at("per_client").at("half_open"), 3);
  EXPECT_EQ(told.at("total").at("half_open"), 0) << "they count for their client only";
  lab_.client(0).own("198.18.0.9/32");
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), web_, "198.18.0.9"));
}

TEST_F(Explain, KnowsWhenATableIsFull) {
  const Headgated headgated(
      lab_.server(),
      "tables: { clients: 2 }\n" + web_with("on_table_full: refuse\nconnections: { total: 100 }"));
  const auto first = hold(lab_.client(0), web_, 1, Endpoint{address("10.64.0.1")});
  const auto second = hold(lab_.client(0), web_, 1, Endpoint{address("10.64.0.2")});
  // The first one that finds the table full is let in and then closed; those after it are refused.
  lab_.client(0).connect(web_, {.from = Endpoint{address("10.64.0.3")}});
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 2));
  EXPECT_TRUE(gets("table_full", headgated, lab_.client(0), web_, "10.64.0.4"));
  EXPECT_TRUE(gets("none", headgated, lab_.client(0), web_, "10.64.0.1")) << "it has an entry";
}

TEST_F(Explain, FindsTheRuleByPortAndLocalAddress) {
  const Headgated headgated(lab_.server(), R"(
rules:
  - name: any
    listen: ["8080"]
    connections: { per_client: 3 }
  - name: special
    listen: ["10.0.1.1:8080", "[2001:db8::]:8081"]
    connections: { per_client: 0 }
)");
  const Endpoint special{address("10.0.1.1"), kPort};
  EXPECT_TRUE(gets("none", headgated, lab_.client(0), web_));
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), special));
  EXPECT_EQ(explain(headgated, "10.0.1.2", web_).at("rule"), "any");
  EXPECT_EQ(explain(headgated, "10.0.1.2", special).at("rule"), "special");
  EXPECT_EQ(headgated.ctl({"explain", "10.0.1.2"}).at("explanations").size(), 2U)
      << "of every rule, when none is named";
  const nlohmann::json named = headgated.ctl({"explain", "10.0.1.2", "--rule", "special"});
  EXPECT_EQ(named.at("explanations").at(0).at("reason"), "client_connections");
}

TEST_F(Explain, OfAMappedAddressIsOfTheIpv4Client) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  const auto held = hold(lab_.client(0), web_, 2);
  const nlohmann::json told = explain(headgated, "::ffff:10.0.1.2", web_);
  EXPECT_EQ(told.at("client"), "10.0.1.2");
  EXPECT_EQ(told.at("reason"), "client_connections");
}

TEST_F(Explain, SaysSoWhereNoRuleApplies) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  for (const std::vector<std::string>& unknown :
       {std::vector<std::string>{"--port", "9999"}, {"--rule", "nothing"}}) {
    std::vector<std::string> command = {"explain", "10.0.1.2"};
    command.insert(command.end(), unknown.begin(), unknown.end());
    const CommandResult result = headgated.run_ctl(command);
    EXPECT_NE(result.status, 0) << result.output;
    EXPECT_THAT(result.output, HasSubstr(unknown.back()));
  }
}

TEST_F(Explain, ChangesNothing) {
  const Headgated headgated(lab_.server(), web_with(R"(connections: { per_client: 0 }
new_connections: { per_client: { rate: 1/h, burst: 5 }, total: { rate: 1/h, burst: 5 } }
penalty: { after: 2, within: 1h, deny_for: 1h })"));
  const nlohmann::json before = headgated.status();
  for (int i = 0; i < 10; ++i) explain(headgated, "10.0.1.2", web_);
  nlohmann::json after = headgated.status();
  EXPECT_EQ(after, before);
  EXPECT_NEAR(tokens_at("per_client", headgated, "10.0.1.2", web_), 5, 0.001);
  EXPECT_EQ(explain(headgated, "10.0.1.2", web_).at("penalty_times"), 0);
}

TEST_F(Explain, SaysItInWordsToo) {
  const Headgated headgated(lab_.server(), web_with("connections: { per_client: 2, total: 9 }") +
                                               "clients: { exempt: [10.64.0.1] }\n");
  const auto held = hold(lab_.client(0), web_, 2);
  const auto words = [&](const std::string& client) {
    return headgated.run_ctl({"explain", client, "--rule", "web"}).output;
  };
  EXPECT_THAT(words("10.0.1.2"), HasSubstr("WOULD BE REFUSED  client_connections"));
  EXPECT_THAT(words("10.0.1.2"), HasSubstr("2 of 2"));
  EXPECT_THAT(words("10.0.2.2"), HasSubstr("ADMITTED  every limit has room"));
  EXPECT_THAT(words("10.64.0.1"), HasSubstr("exempt     by clients.exempt"));
}

}  // namespace
}  // namespace headgate::lab
