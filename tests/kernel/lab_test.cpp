// SPDX-License-Identifier: Apache-2.0
// The lab itself, without headgate: what the other tests take for granted.
#include "tests/kernel/support.h"
#include "tests/lab/raw_tcp.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

const Endpoint kNobody{address("198.18.0.9"), 40000};

TEST(Lab, ClientsReachTheServerFromAllTheirAddresses) {
  const Lab lab;
  const Server server(lab.server(), {address("::"), kPort}, {.dual_stack = true});
  for (std::size_t i = 0; i < lab.clients(); ++i) {
    const std::string number = std::to_string(64 + i);
    EXPECT_TRUE(admitted(lab.client(i), lab.server_ipv4(kPort)));
    EXPECT_TRUE(admitted(lab.client(i), lab.server_ipv6(kPort)));
    EXPECT_TRUE(admitted(lab.client(i), lab.server_ipv4(kPort),
                         {.from = Endpoint{address("10." + number + ".7.9")}}));
    EXPECT_TRUE(admitted(lab.client(i), lab.server_ipv6(kPort),
                         {.from = Endpoint{address("2001:db8:" + number + ":5::9")}}));
  }
}

TEST(Lab, WithoutAListenerAConnectionIsRefused) {
  const Lab lab;
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv6(kPort)));
}

TEST(Lab, TheSocketsOfAServerAreListedByStateAndClient) {
  const Lab lab;
  Server server(lab.server(), {address("::"), kPort}, {.dual_stack = true});
  const SocketDiag diag(lab.server().network());
  const auto ipv4 = hold(lab.client(0), lab.server_ipv4(kPort), 3);
  const auto ipv6 = hold(lab.client(1), lab.server_ipv6(kPort), 2);

  EXPECT_EQ(diag.count({.local_port = kPort}), 5U);
  EXPECT_EQ(diag.count({.local_port = kPort, .remote = Prefix::of(lab.client(0).ipv4(), 32)}), 3U);
  EXPECT_EQ(diag.count({.local_port = kPort, .remote = Prefix::of(lab.client(1).ipv6(), 64)}), 2U);
  EXPECT_EQ(diag.count({.local_port = kPort + 1}), 0U);

  server.close_all(CloseKind::kReset);
  EXPECT_TRUE(eventually(2s, [&] { return diag.count({.local_port = kPort}) == 0; }));
  EXPECT_TRUE(closed_by_peer(ipv4[0], 1s));
}

TEST(Lab, AServerInAProcessOfItsOwnCanBeKilled) {
  const Lab lab;
  Process server({LAB_SERVER_PROGRAM, "10.0.0.1", std::to_string(kPort)},
                 {.network = &lab.server().network()});
  ASSERT_TRUE(server.wait_for_output("listening", 5s)) << server.output();
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 2);
  server.signal(SIGKILL);
  EXPECT_EQ(server.wait(5s), 128 + SIGKILL);
  EXPECT_TRUE(closed_by_peer(held[0], 2s));
}

TEST(Lab, AHandshakeByHandIsHalfOpenUntilItsLastStep) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const SocketDiag diag(lab.server().network());
  RawClient client(lab.client(0));

  client.send_syn(kNobody, lab.server_ipv4(kPort));
  const auto syn_ack = client.receive(lab.server_ipv4(kPort), kNobody);
  ASSERT_TRUE(syn_ack);
  EXPECT_EQ(syn_ack->flags, (TcpFlags{.syn = true, .ack = true}));
  EXPECT_EQ(diag.count({.local_port = kPort, .states = kHalfOpen}), 1U);
  EXPECT_EQ(diag.count({.local_port = kPort}), 0U);

  client.send_ack(*syn_ack);
  EXPECT_TRUE(eventually(2s, [&] { return diag.count({.local_port = kPort}) == 1; }));
  EXPECT_EQ(diag.count({.local_port = kPort, .states = kHalfOpen}), 0U);
}

TEST(Lab, AFloodSendsAsManySynsAsAsked) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const SocketDiag diag(lab.server().network());
  const FloodReport report =
      flood_syns(lab.client(0), lab.server_ipv4(kPort), kNobody.address, 20'000, 10'000, 1s);
  EXPECT_GT(report.sent, 5'000U);
  EXPECT_LT(report.sent, 11'000U);
  EXPECT_GT(diag.count({.local_port = kPort, .states = kHalfOpen}), 100U);
}

TEST(Lab, AMetricsPageIsReadLineByLine) {
  const MetricsPage page = parse_metrics(
      "# HELP a_total What a counts\n# TYPE a_total counter\na_total{x=\"1\"} 3\na_total{x=\"2\"} "
      "4\n");
  EXPECT_EQ(page.help.at("a_total"), "What a counts");
  EXPECT_EQ(page.type.at("a_total"), "counter");
  EXPECT_EQ(page.at("a_total{x=\"1\"}"), 3);
  EXPECT_EQ(page.sum("a_total"), 7);
}

}  // namespace
}  // namespace headgate::lab
