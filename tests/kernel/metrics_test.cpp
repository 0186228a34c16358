// SPDX-License-Identifier: Apache-2.0
// The metrics page and the command line in a state that is known.
#include "tests/kernel/support.h"
#include "tests/lab/raw_tcp.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

class KnownState : public testing::Test {
 protected:
  static constexpr const char* kConfig = R"(
tables: { clients: 1000, recent: 2000 }
rules:
  - name: web
    listen: ["8080"]
    connections: { per_client: 3, total: 100 }
  - name: open
    listen: ["8081"]
    connections: { total: 50 }
)";

  void SetUp() override {
    first_ = hold(lab_.client(0), lab_.server_ipv4(kPort), 3);
    second_ = hold(lab_.client(1), lab_.server_ipv4(kPort), 2);
    sixth_ = hold(lab_.client(1), lab_.server_ipv6(kPort), 1);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort)));
    raw_.send_syn(nobody_, lab_.server_ipv4(kPort));
    EXPECT_TRUE(raw_.receive(lab_.server_ipv4(kPort), nobody_));
    ASSERT_TRUE(counts(headgated_, "web", lab_.server(), kPort, 6));
  }

  const Lab lab_;
  const Server web_{lab_.server(), {address("::"), kPort}, {.dual_stack = true}};
  const Server open_{lab_.server(), {address("::"), kPort + 1}, {.dual_stack = true}};
  const Headgated headgated_{lab_.server(), kConfig};
  const Endpoint nobody_{address("198.18.0.9"), 40000};
  RawClient raw_{lab_.client(0)};
  std::vector<UniqueFd> first_, second_, sixth_;
};

TEST_F(KnownState, EveryMetricOfTheIssueHasHelpTypeAndTheRightValue) {
  const MetricsPage page = headgated_.metrics();
  const std::map<std::string, std::string> types = {
      {"headgate_connections", "gauge"},
      {"headgate_connections_limit", "gauge"},
      {"headgate_half_open", "gauge"},
      {"headgate_clients", "gauge"},
      {"headgate_admitted_total", "counter"},
      {"headgate_refused_total", "counter"},
      {"headgate_overshoot_closed_total", "counter"},
      {"headgate_table_entries", "gauge"},
      {"headgate_table_capacity", "gauge"},
      {"headgate_events_lost_total", "counter"},
      {"headgate_build_info", "gauge"},
  };
  for (const auto& [name, type] : types) {
    ASSERT_TRUE(page.type.count(name) == 1 && page.help.count(name) == 1) << name;
    EXPECT_EQ(page.type.at(name), type) << name;
    EXPECT_GT(page.help.at(name).size(), 10U) << name;
  }

  EXPECT_EQ(page.at("headgate_connections{rule=\"web\"}"), 6);
  EXPECT_EQ(page.at("headgate_connections{rule=\"open\"}"), 0);
  EXPECT_EQ(page.at("headgate_connections_limit{rule=\"web\",scope=\"client\"}"), 3);
  EXPECT_EQ(page.at("headgate_connections_limit{rule=\"web\",scope=\"total\"}"), 100);
  EXPECT_EQ(page.at("headgate_connections_limit{rule=\"open\",scope=\"total\"}"), 50);
  EXPECT_FALSE(page.has("headgate_connections_limit{rule=\"open\",scope=\"client\"}"));
  EXPECT_EQ(page.at("headgate_half_open{rule=\"web\"}"), 1);
  EXPECT_EQ(page.at("headgate_clients{rule=\"web\"}"), 3);
  EXPECT_EQ(page.at("headgate_admitted_total{rule=\"web\"}"), 6);
  EXPECT_EQ(page.at("headgate_refused_total{rule=\"web\",reason=\"client_connections\","
                    "action=\"reset\"}"),
            4);
  EXPECT_EQ(page.sum("headgate_refused_total"), 4);
  EXPECT_EQ(page.at("headgate_overshoot_closed_total{rule=\"web\"}"), 0);
  EXPECT_EQ(page.at("headgate_table_entries{table=\"clients\"}"), 3);
  EXPECT_EQ(page.at("headgate_table_capacity{table=\"clients\"}"), 1000);
  EXPECT_GE(page.at("headgate_table_entries{table=\"recent\"}"), 1);
  EXPECT_EQ(page.at("headgate_table_capacity{table=\"recent\"}"), 2000);
  EXPECT_EQ(page.at("headgate_events_lost_total"), 0);
  EXPECT_EQ(page.sum("headgate_build_info"), 1);
}

TEST_F(KnownState, NoMetricTellsAClientsAddress) {
  const std::string text = headgated_.metrics_text();
  for (const char* part : {"10.0.", "198.18.", "2001:db8", "::ffff"}) {
    EXPECT_EQ(text.find(part), std::string::npos) << part;
  }
}

TEST_F(KnownState, CountersGrowAndGaugesFallWhenConnectionsEnd) {
  first_.clear();
  second_.clear();
  sixth_.clear();
  ASSERT_TRUE(counts(headgated_, "web", lab_.server(), kPort, 0));
  const MetricsPage page = headgated_.metrics();
  EXPECT_EQ(page.at("headgate_connections{rule=\"web\"}"), 0);
  EXPECT_EQ(page.at("headgate_clients{rule=\"web\"}"), 0);
  EXPECT_EQ(page.at("headgate_table_entries{table=\"clients\"}"), 0);
  EXPECT_EQ(page.at("headgate_admitted_total{rule=\"web\"}"), 6);
}

TEST_F(KnownState, TheCommandLineTellsTheSame) {
  const RuleStatus web = headgated_.rule("web");
  EXPECT_EQ(web.connections, 6U);
  EXPECT_EQ(web.half_open, 1U);
  EXPECT_EQ(web.clients, 3U);
  EXPECT_EQ(web.admitted, 6U);
  EXPECT_EQ(web.refused, 4U);
  EXPECT_EQ(headgated_.client_connections("web", "10.0.1.2"), 3U);
  EXPECT_EQ(headgated_.client_connections("web", "10.0.2.2"), 2U);
  EXPECT_EQ(headgated_.client_connections("web", "2001:db8:0:2::/64"), 1U);

  const auto status = headgated_.status();
  const auto& rules = status.at("rules");
  EXPECT_EQ(rules.at(0).at("per_client_limit"), 3);
  EXPECT_EQ(rules.at(0).at("total_limit"), 100);
  EXPECT_FALSE(rules.at(1).contains("per_client_limit"));
  EXPECT_EQ(status.at("pid"), headgated_.pid());
  EXPECT_EQ(status.at("netns"), lab_.server().network().path());
}

}  // namespace
}  // namespace headgate::lab
