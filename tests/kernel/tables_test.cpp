// SPDX-License-Identifier: Apache-2.0
// Bounds: tables that are full, and events that come too fast for a log.
#include <sched.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/error.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr int kCapacity = 8;
const std::string kTables = "tables: { clients: 8, recent: 1024 }\n";

class FullTable : public testing::Test {
 protected:
  // One connection from each of `count` addresses, beginning with number `first`.
  std::vector<UniqueFd> hold_from_each(int first, int count) const {
    std::vector<UniqueFd> held;
    for (int i = first; i < first + count; ++i) {
      auto one = hold(lab_.client(0), web_, 1, client(i));
      std::move(one.begin(), one.end(), std::back_inserter(held));
    }
    return held;
  }
  // Refused, or closed as soon as its handshake was complete.
  bool turned_away(const Endpoint& from) const {
    const ConnectResult result = lab_.client(0).connect(web_, {.from = from});
    return result.error == ECONNREFUSED || result.error == ECONNRESET ||
           (result.connected() && closed_by_peer(result.socket, 1s));
  }
  bool stays(const Endpoint& from) const {
    const ConnectResult result = lab_.client(0).connect(web_, {.from = from});
    return result.connected() && !closed_by_peer(result.socket, 200ms);
  }
  static Endpoint client(int number) { return {address("10.64.0." + std::to_string(number))}; }

  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Server server_{lab_.server(), web_};
};

TEST_F(FullTable, WithAdmitNewClientsConnectUncountedAndAMetricSaysSo) {
  const Headgated headgated(lab_.server(),
                            kTables + web_rule("per_client: 2", "on_table_full: admit"));
  auto known = hold_from_each(1, kCapacity);
  auto unknown = hold_from_each(100, 5);
  EXPECT_EQ(unknown.size(), 5U);
  EXPECT_EQ(headgated.rule("web").clients, static_cast<std::uint64_t>(kCapacity));
  EXPECT_EQ(headgated.rule("web").untracked, 5U);
  EXPECT_EQ(headgated.rule("web").connections, 13U) << "the total still counts them";

  const MetricsPage page = headgated.metrics();
  EXPECT_EQ(page.at("headgate_table_entries{table=\"clients\"}"), kCapacity);
  EXPECT_EQ(page.at("headgate_table_capacity{table=\"clients\"}"), kCapacity);
  EXPECT_EQ(page.at("headgate_untracked_total{rule=\"web\"}"), 5);

  const auto second = hold(lab_.client(0), web_, 1, client(1));
  EXPECT_TRUE(refused(lab_.client(0), web_, {.from = client(1)})) << "known clients stay limited";

  known.clear();
  unknown.clear();
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 1));
  EXPECT_EQ(headgated.rule("web").clients, 1U);
}

TEST_F(FullTable, WithRefuseNewClientsAreTurnedAwayAndAMetricSaysSo) {
  const Headgated headgated(lab_.server(),
                            kTables + web_rule("per_client: 2", "on_table_full: refuse"));
  auto known = hold_from_each(1, kCapacity);
  EXPECT_TRUE(turned_away(client(99))) << "the one that finds out that the table is full";
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(refused(lab_.client(0), web_, {.from = client(100 + i)}));
  EXPECT_GE(headgated.metrics().at(
                "headgate_refused_total{rule=\"web\",reason=\"table_full\",action=\"reset\"}"),
            5);
  EXPECT_TRUE(admitted(lab_.client(0), web_, {.from = client(1)})) << "a known client";

  known.pop_back();
  EXPECT_TRUE(eventually(2s, [&] { return headgated.rule("web").clients == kCapacity - 1; }));
  EXPECT_TRUE(stays(client(100))) << "there is room again";
  known.clear();
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));
}

TEST_F(FullTable, OfConnectionsWithAdmitLetsNewOnesThroughUncounted) {
  const Headgated headgated(lab_.server(), "tables: { connections: 8 }\n" +
                                               web_rule("per_client: 9", "on_table_full: admit"));
  auto known = hold(lab_.client(1), web_, kCapacity);
  auto unknown = hold(lab_.client(1), web_, 5);
  EXPECT_EQ(unknown.size(), 5U);
  EXPECT_EQ(headgated.rule("web").connections, static_cast<std::uint64_t>(kCapacity));
  EXPECT_EQ(headgated.rule("web").untracked, 5U);
  EXPECT_EQ(headgated.metrics().at("headgate_table_entries{table=\"connections\"}"), kCapacity);
  unknown.clear();
  EXPECT_EQ(headgated.rule("web").connections, static_cast<std::uint64_t>(kCapacity));
  known.clear();
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));
}

TEST_F(FullTable, OfConnectionsWithRefuseTurnsNewOnesAway) {
  const Headgated headgated(lab_.server(), "tables: { connections: 8 }\n" +
                                               web_rule("per_client: 9", "on_table_full: refuse"));
  auto known = hold(lab_.client(1), web_, kCapacity);
  EXPECT_TRUE(turned_away(client(99))) << "the one that finds out that the table is full";
  EXPECT_TRUE(refused(lab_.client(1), web_));
  EXPECT_TRUE(refused(lab_.client(0), web_));
  known.pop_back();
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, kCapacity - 1));
  EXPECT_TRUE(stays(client(99))) << "there is room again";
  known.clear();
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));
}

std::vector<std::string> lines_with(const std::string& log, const std::string& text) {
  std::vector<std::string> found;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(text) != std::string::npos) found.push_back(line);
  }
  return found;
}

std::uint64_t suppressed_in(const std::string& line) {
  const auto at = line.find("suppressed=");
  return at == std::string::npos ? 0 : std::stoull(line.substr(at + 11));
}

// Binds the calling thread to one processor, and with it the path of its packets through veth.
void run_on(unsigned processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  check(::sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

TEST(Events, EveryRefusalIsCountedButTheLogIsBounded) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 0"));
  constexpr std::size_t kRefusals = 5000;
  const auto begin = std::chrono::steady_clock::now();
  lab.client(0).network().run([&] {
    for (std::size_t i = 0; i < kRefusals; ++i) {
      ASSERT_EQ(connect_to(lab.server_ipv4(kPort)).error, ECONNREFUSED);
    }
  });
  const auto seconds = (std::chrono::steady_clock::now() - begin) / 1s + 1;
  EXPECT_EQ(headgated.rule("web").refused, kRefusals);

  // Each processor tells what it suppressed with its next event, in a second with room for one.
  std::this_thread::sleep_for(1100ms);
  const auto processors = std::thread::hardware_concurrency();
  for (unsigned processor = 0; processor < processors; ++processor) {
    lab.client(0).network().run([&] {
      run_on(processor);
      for (int i = 0; i < 5; ++i) connect_to(lab.server_ipv4(kPort));
    });
  }
  const std::size_t all = kRefusals + 5 * processors;
  std::vector<std::string> lines;
  std::uint64_t told = 0;
  const auto all_told = [&] {
    lines = lines_with(headgated.log(), "refused rule=web client=10.0.1.2");
    told = lines.size();
    for (const std::string& line : lines) told += suppressed_in(line);
    return told == all;
  };
  EXPECT_TRUE(eventually(5s, all_told)) << told << " of " << all << " told";
  ASSERT_FALSE(lines.empty());
  EXPECT_NE(lines[0].find("reason=client_connections"), std::string::npos) << lines[0];
  // Each processor may send 64 events a second (bpf/abi.h).
  EXPECT_LE(lines.size(), 64U * processors * static_cast<std::size_t>(seconds + 3));
  EXPECT_LT(lines.size(), kRefusals / 2);
  EXPECT_EQ(headgated.rule("web").refused, all);
}

}  // namespace
}  // namespace headgate::lab
