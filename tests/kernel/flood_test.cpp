// SPDX-License-Identifier: Apache-2.0
// Spoofed SYNs: they may hurt the address that they spoof, nobody else.
#include <algorithm>
#include <atomic>
#include <iostream>
#include <thread>

#include "tests/kernel/bystander.h"
#include "tests/kernel/support.h"
#include "tests/lab/raw_tcp.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr std::uint32_t kSources = 20'000;
constexpr std::uint32_t kPerSecond = 20'000;
constexpr double kTableSize = 4096;
const char* const kVictim = "198.19.200.1";

TEST(Flood, OfSpoofedSynsShutsOutNeitherOtherClientsNorTheTotal) {
  const Lab lab({.clients = 3});
  // The kernel gives half-open requests up sooner, so that the test need not wait for a minute.
  lab.server().network().set_sysctl("net/ipv4/tcp_synack_retries", "1");
  const Endpoint web = lab.server_ipv4(kPort);
  const Server server(lab.server(), web);
  const Headgated headgated(lab.server(),
                            "tables: { clients: 4096, recent: 4096 }\n" +
                                web_rule("per_client: 20, total: 100", "handshake_timeout: 2s"));
  const auto held = hold(lab.client(1), web, 10);

  std::atomic<bool> stop{false};
  Bystander seen;
  std::thread bystander([&] { seen = keep_connecting(lab.client(2), web, stop); });
  FloodReport many, one;
  std::thread flood([&] {
    many = flood_syns(lab.client(0), web, address("198.18.0.1"), kSources, kPerSecond, 20s);
    one = flood_syns(lab.client(0), web, address(kVictim), 1, kPerSecond, 10s);
    stop = true;
  });
  double most_half_open = 0;
  double most_clients = 0;
  int pages = 0;
  while (!stop) {
    const MetricsPage page = headgated.metrics();
    most_half_open = std::max(most_half_open, page.at("headgate_table_entries{table=\"recent\"}"));
    most_clients = std::max(most_clients, page.at("headgate_table_entries{table=\"clients\"}"));
    ++pages;
    std::this_thread::sleep_for(500ms);
  }
  flood.join();
  bystander.join();

  std::cout << many.sent << " SYNs of " << kSources << " sources in " << many.duration.count()
            << " ms, " << one.sent << " of one victim in " << one.duration.count() << " ms; "
            << seen.connected << " of " << seen.attempts << " connections of another client; "
            << "at most " << most_half_open << " half-open and " << most_clients
            << " clients in the tables\n";
  EXPECT_GT(many.sent, kSources * 5U) << "not a flood";
  EXPECT_GT(pages, 20) << "the metrics page must answer during a flood";
  EXPECT_GT(seen.attempts, 200U);
  EXPECT_GE(static_cast<double>(seen.connected), 0.99 * static_cast<double>(seen.attempts));
  EXPECT_LE(most_half_open, kTableSize);
  EXPECT_LE(most_clients, 3);
  EXPECT_FALSE(closed_by_peer(held.front(), 0ms)) << "open connections stay open";

  const RuleStatus after = headgated.rule("web");
  EXPECT_EQ(after.connections, 10U);
  EXPECT_EQ(after.untracked, 0U);
  EXPECT_EQ(hold(lab.client(2), web, 20).size(), 20U) << "the whole limit of another client";

  // The victim is shut out for as long as the flood lasts, and two handshake timeouts more.
  lab.client(0).own(std::string(kVictim) + "/32");
  std::this_thread::sleep_for(4500ms);
  EXPECT_TRUE(admitted(lab.client(0), web, {.from = Endpoint{address(kVictim)}}));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 10));
  EXPECT_TRUE(eventually(
      6s, [&] { return headgated.rule("web").half_open == 0; }, 200ms));
}

// So few that the queue of half-open requests never fills and SYN cookies never help.
TEST(Flood, OfAFewSpoofedSynsUsesUpNobodysTokens) {
  const Lab lab({.clients = 3});
  const Endpoint web = lab.server_ipv4(kPort);
  const Server server(lab.server(), web);
  const Headgated headgated(lab.server(),
                            "rules: [{ name: web, listen: [8080], new_connections: { "
                            "total: { rate: 20/s, burst: 20 } } }]\n");
  FloodReport sent;
  std::thread flood(
      [&] { sent = flood_syns(lab.client(0), web, address("198.18.0.1"), kSources, 60, 6s); });
  std::this_thread::sleep_for(1s);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(admitted(lab.client(2), web)) << "attempt " << i;
    std::this_thread::sleep_for(200ms);
  }
  flood.join();
  EXPECT_GT(sent.sent, 300U);
}

}  // namespace
}  // namespace headgate::lab
