// SPDX-License-Identifier: Apache-2.0
// One million connections leave nothing behind: no drift in the counters, no memory in the daemon.
#include <sys/socket.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr int kThreads = 4;
constexpr std::uint64_t kWarmUp = 50'000;
constexpr std::uint64_t kMillion = 1'000'000;
constexpr std::uint64_t kAllowedGrowth = 1024 * 1024;

// Opens and closes `count` connections from several threads, each with many source addresses so
// that ports do not run out. Every fourth is closed by a FIN and then by the server, which keeps
// the server from falling behind; the others by a reset.
void open_and_close(const Lab& lab, std::uint64_t count) {
  std::atomic<std::uint64_t> failed{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      lab.client(0).network().enter();
      for (std::uint64_t i = 0; i < count / kThreads; ++i) {
        const std::string source =
            "10.64." + std::to_string(thread) + "." + std::to_string(1 + i % 250);
        ConnectResult result =
            connect_to(lab.server_ipv4(kPort), {.from = Endpoint{address(source)}});
        if (!result.connected()) {
          ++failed;
          continue;
        }
        if (i % 4 == 0) {
          ::shutdown(result.socket.get(), SHUT_WR);
          closed_by_peer(result.socket, 5s);
          result.socket.reset();
        } else {
          close_socket(std::move(result.socket), CloseKind::kReset);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0U);
}

class Volume : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Packets, Volume, testing::Bool(), [](const auto& by_interrupt) {
  return by_interrupt.param ? "ReceivedByInterrupt" : "HandedOver";
});

TEST_P(Volume, AMillionConnectionsOpenedAndClosedLeaveNoDriftAndNoMemory) {
  const Lab lab({.clients = 1, .receive_by_interrupt = GetParam()});
  for (const Host* host : {&lab.client(0), &lab.server()}) {
    host->network().set_sysctl("net/ipv4/tcp_max_tw_buckets", "5000");
  }
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 1000, total: 10000"));
  open_and_close(lab, kWarmUp);
  headgated.status();
  headgated.metrics();
  const std::uint64_t memory_before = headgated.resident_bytes();

  const auto begin = std::chrono::steady_clock::now();
  open_and_close(lab, kMillion);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
  const RuleStatus after = headgated.rule("web");
  EXPECT_EQ(after.admitted, kWarmUp + kMillion);
  EXPECT_EQ(after.refused, 0U);
  EXPECT_EQ(after.clients, 0U);
  EXPECT_EQ(after.untracked, 0U);
  EXPECT_EQ(headgated.ctl({"clients", "--min", "1"}).at("clients").size(), 0U);
  const std::uint64_t memory_after = headgated.resident_bytes();
  std::cout << kMillion << " connections in " << seconds << " s; the daemon held "
            << memory_before / 1024 << " KiB before and " << memory_after / 1024 << " KiB after\n";
  EXPECT_LT(memory_after, memory_before + kAllowedGrowth);
}

}  // namespace
}  // namespace headgate::lab
