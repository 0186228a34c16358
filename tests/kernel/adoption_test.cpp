// SPDX-License-Identifier: Apache-2.0
// What happens at the daemon's start and end to connections that live longer than it.
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/cgroup.h"
#include "tests/lab/kernel_objects.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

TEST(Adoption, ConnectionsFromBeforeTheStartAreCountedAndReleasedWhenTheyClose) {
  const Lab lab;
  const Server ipv4_server(lab.server(), lab.server_ipv4(kPort));
  const Server ipv6_server(lab.server(), lab.server_ipv6(kPort));
  const Server dual_server(lab.server(), {address("::"), kPort + 1}, {.dual_stack = true});
  auto ipv4 = hold(lab.client(0), lab.server_ipv4(kPort), 3);
  auto ipv6 = hold(lab.client(0), lab.server_ipv6(kPort), 4);
  auto mapped = hold(lab.client(0), lab.server_ipv4(kPort + 1), 2);

  const Headgated headgated(lab.server(), R"(
rules:
  - name: web
    listen: ["8080"]
    connections: { per_client: 4 }
  - name: dual
    listen: ["8081"]
    connections: { per_client: 2 }
)");
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 7));
  EXPECT_TRUE(counts(headgated, "dual", lab.server(), kPort + 1, 2));
  EXPECT_EQ(headgated.rule("web").adopted, 7U);
  EXPECT_EQ(headgated.client_connections("web", "10.0.1.2"), 3U);
  EXPECT_EQ(headgated.client_connections("web", "2001:db8:0:1::/64"), 4U);
  EXPECT_EQ(headgated.client_connections("dual", "10.0.1.2"), 2U);

  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv6(kPort)));
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort + 1)));
  ipv4.push_back(lab.client(0).connect(lab.server_ipv4(kPort)).socket);
  EXPECT_TRUE(ipv4.back());
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));

  ipv4.clear();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 4));
  ipv6.clear();
  mapped.clear();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
  EXPECT_TRUE(counts(headgated, "dual", lab.server(), kPort + 1, 0));
  EXPECT_EQ(headgated.rule("web").clients, 0U);
}

TEST(Adoption, ConnectionsBeyondALimitAreKept) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), 5);
  const Headgated headgated(lab.server(), web_rule("per_client: 2"));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 5));
  EXPECT_FALSE(closed_by_peer(held.front(), 1500ms));

  held.resize(2);
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 2));
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  held.resize(1);
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 1));
  EXPECT_TRUE(admitted(lab.client(0), lab.server_ipv4(kPort)));
}

TEST(Adoption, ConnectionsThatWaitToBeAcceptedAndHalfClosedOnesAreCounted) {
  const Lab lab;
  const UniqueFd listener = lab.server().listen(lab.server_ipv4(kPort));
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), 3);
  const UniqueFd half_closed = accept_from(listener);
  ::shutdown(half_closed.get(), SHUT_WR);
  const Headgated headgated(lab.server(), web_rule("per_client: 9"));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 3));
  held.clear();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 2)) << "the unaccepted: CLOSE_WAIT";
}

TEST(Adoption, ManyConnectionsAreCountedExactly) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), 3000);
  const Headgated headgated(lab.server(), web_rule("per_client: 5000"));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 3000));
  held.clear();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
}

TEST(Adoption, StartingWhileConnectionsComeAndGoLosesNone) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      lab.client(0).network().enter();
      while (!stop) {
        std::vector<UniqueFd> few;
        for (int k = 0; k < 5; ++k) few.push_back(connect_to(lab.server_ipv4(kPort)).socket);
      }
    });
  }
  for (int round = 0; round < 5; ++round) {
    const Headgated headgated(lab.server(), web_rule("per_client: 1000"));
    if (round < 4) continue;
    stop = true;
    for (std::thread& thread : threads) thread.join();
    threads.clear();
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
    EXPECT_EQ(headgated.rule("web").clients, 0U);
  }
}

// The server host itself connects to a client host, from a port that a rule names.
TEST(Adoption, OutgoingConnectionsFromARuledPortAreNotCounted) {
  const Lab lab;
  const Server elsewhere(lab.client(0), {lab.client(0).ipv4(), 9000});
  const ConnectOptions from_ruled_port{.from = Endpoint{lab.server().ipv4(), kPort}};
  const auto before = lab.server().connect({lab.client(0).ipv4(), 9000}, from_ruled_port);
  ASSERT_TRUE(before.connected());

  const Headgated headgated(lab.server(), web_rule("per_client: 0"));
  EXPECT_EQ(headgated.rule("web").connections, 0U) << "from before the start";
  const Server second(lab.client(1), {lab.client(1).ipv4(), 9000});
  const auto after = lab.server().connect({lab.client(1).ipv4(), 9000}, from_ruled_port);
  ASSERT_TRUE(after.connected());
  EXPECT_EQ(headgated.rule("web").connections, 0U);
}

TEST(Stopping, AndStartingAgainCountsTheOpenConnectionsOnce) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  auto first = std::make_unique<Headgated>(lab.server(), web_rule("per_client: 5"));
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), 5);
  EXPECT_EQ(first->stop(), 0);
  first.reset();

  const Headgated again(lab.server(), web_rule("per_client: 5"));
  EXPECT_TRUE(counts(again, "web", lab.server(), kPort, 5));
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  held.clear();
  EXPECT_TRUE(counts(again, "web", lab.server(), kPort, 0));
}

TEST(CountedGroup, OnlySocketsOfTheConfiguredCgroupAreCounted) {
  const Lab lab;
  const Cgroup group("counted");
  const std::string port = std::to_string(kPort + 1);
  Process inside({LAB_SERVER_PROGRAM, "10.0.0.1", std::to_string(kPort)},
                 {.network = &lab.server().network(), .cgroup = group.path()});
  Process outside({LAB_SERVER_PROGRAM, "10.0.0.1", port}, {.network = &lab.server().network()});
  ASSERT_TRUE(inside.wait_for_output("listening", 5s)) << inside.output();
  ASSERT_TRUE(outside.wait_for_output("listening", 5s)) << outside.output();
  const auto before_inside = hold(lab.client(0), lab.server_ipv4(kPort), 1);
  const auto before_outside = hold(lab.client(0), lab.server_ipv4(kPort + 1), 1);

  const Headgated headgated(lab.server(), R"(
rules:
  - name: web
    listen: ["8080-8081"]
    connections: { per_client: 100 }
)",
                            {.cgroup = group.path()});
  const auto after_inside = hold(lab.client(0), lab.server_ipv4(kPort), 2);
  const auto after_outside = hold(lab.client(0), lab.server_ipv4(kPort + 1), 2);
  EXPECT_EQ(headgated.rule("web").connections, 3U);
  EXPECT_EQ(headgated.rule("web").adopted, 1U);
}

}  // namespace
}  // namespace headgate::lab
