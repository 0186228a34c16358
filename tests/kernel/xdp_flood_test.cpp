// SPDX-License-Identifier: Apache-2.0
// A flood from more addresses than any table holds, with the front line before the server.
#include <algorithm>
#include <atomic>
#include <iostream>
#include <thread>

#include "tests/kernel/bystander.h"
#include "tests/kernel/xdp_lab.h"
#include "tests/lab/raw_tcp.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr std::uint32_t kSources = 100'000;
constexpr std::uint32_t kPerSecond = 20'000;
constexpr double kTableSize = 4096;
constexpr int kBacklog = 512;
constexpr std::uint64_t kSlackBytes = 8 << 20;

class XdpFlood : public XdpLab {
 protected:
  // Requests that wait for the end of their handshake.
  std::size_t requests() const {
    const std::string said =
        must_run({"ss", "-Htn", "state", "syn-recv"}, {.network = &lab_.server().network()});
    return static_cast<std::size_t>(std::count(said.begin(), said.end(), '\n'));
  }
};

TEST_F(XdpFlood, OfAHundredThousandSourcesKeepsNobodyOutAndTakesNoMemory) {
  const Endpoint web = lab_.server_ipv4(kPort);
  const Server server(lab_.server(), web, {.backlog = kBacklog});
  const Headgated headgated(lab_.server(), web_rule("per_client: 20, total: 100") +
                                               "xdp: { interfaces: [\"c*\"], syn_cookies: auto }\n"
                                               "tables: { clients: 4096, recent: 4096 }\n");
  const auto held = hold(lab_.client(1), web, 10);
  const std::uint64_t resident = headgated.resident_bytes();

  std::atomic<bool> stop{false};
  Bystander others;
  std::thread bystander([&] { others = keep_connecting(lab_.client(1), web, stop); });
  FloodReport flood;
  std::thread flooder([&] {
    flood = flood_syns(lab_.client(0), web, address("198.18.0.1"), kSources, kPerSecond, 15s);
    stop = true;
  });
  double most_recent = 0, most_clients = 0;
  std::size_t most_requests = 0, last_requests = 0;
  while (!stop) {
    const MetricsPage page = headgated.metrics();
    most_recent = std::max(most_recent, page.at("headgate_table_entries{table=\"recent\"}"));
    most_clients = std::max(most_clients, page.at("headgate_table_entries{table=\"clients\"}"));
    last_requests = requests();
    most_requests = std::max(most_requests, last_requests);
    std::this_thread::sleep_for(300ms);
  }
  flooder.join();
  bystander.join();

  const double cookies = packets(headgated, "c0", "cookie", "none");
  std::cout << flood.sent << " SYNs of " << kSources << " sources in " << flood.duration.count()
            << " ms; " << others.connected << " of " << others.attempts
            << " connections of another client; " << cookies << " cookies; at most "
            << most_requests << " requests, " << most_recent << " recent and " << most_clients
            << " clients in the tables; the daemon's memory: " << resident << " and "
            << headgated.resident_bytes() << " bytes\n";
  EXPECT_GT(flood.sent, kSources) << "not a flood";
  EXPECT_GT(others.attempts, 100U);
  EXPECT_GE(static_cast<double>(others.connected), 0.99 * static_cast<double>(others.attempts));
  EXPECT_GT(cookies, 0.5 * static_cast<double>(flood.sent)) << "most cost no request";
  EXPECT_LE(most_requests, kBacklog + 10U);
  EXPECT_LE(most_recent, kTableSize);
  EXPECT_LE(most_clients, 3);
  EXPECT_LE(headgated.resident_bytes(), resident + kSlackBytes);
  EXPECT_FALSE(closed_by_peer(held.front(), 0ms)) << "open connections stay open";
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 10));
}

}  // namespace
}  // namespace headgate::lab
