// SPDX-License-Identifier: Apache-2.0
// A connection counts from the end of its handshake until it is gone, however it goes.
#include <sys/socket.h>

#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

TEST(Closed, ByTheClient) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 5"));
  for (int round = 0; round < 3; ++round) {
    auto held = hold(lab.client(0), lab.server_ipv4(kPort), 5);
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 5));
    for (UniqueFd& socket : held) close_socket(std::move(socket), CloseKind::kFin);
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
  }
  EXPECT_EQ(headgated.rule("web").clients, 0U);
  EXPECT_EQ(headgated.rule("web").admitted, 15U);
}

TEST(Closed, ByAResetOfTheClient) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 5"));
  for (int round = 0; round < 3; ++round) {
    auto held = hold(lab.client(0), lab.server_ipv4(kPort), 5);
    for (UniqueFd& socket : held) close_socket(std::move(socket), CloseKind::kReset);
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
  }
}

TEST(Closed, ByTheServer) {
  const Lab lab;
  Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 5"));
  for (int round = 0; round < 3; ++round) {
    const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 5);
    server.close_all(CloseKind::kFin);
    // The clients may stay: the server's sockets are gone when their goodbye is acknowledged.
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
  }
}

TEST(Closed, ByAResetOfTheServer) {
  const Lab lab;
  Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 5"));
  for (int round = 0; round < 3; ++round) {
    const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 5);
    server.close_all(CloseKind::kReset);
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
  }
}

TEST(Closed, ByKillingTheServerWithSigkill) {
  const Lab lab;
  const Headgated headgated(lab.server(), web_rule("per_client: 5"));
  for (const std::string mode : {"hold", "ignore"}) {  // accepted, and waiting to be accepted
    Process server({LAB_SERVER_PROGRAM, "10.0.0.1", std::to_string(kPort), mode},
                   {.network = &lab.server().network()});
    ASSERT_TRUE(server.wait_for_output("listening", 5s)) << server.output();
    const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 5);
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 5)) << mode;
    server.signal(SIGKILL);
    ASSERT_EQ(server.wait(5s), 128 + SIGKILL);
    // A socket may outlive its process for as long as it says goodbye to its client.
    EXPECT_TRUE(closed_by_peer(held.back(), 2s)) << mode;
    const auto gone = [&] { return closed_by_peer(held.front(), 0ms); };
    EXPECT_TRUE(eventually(2s, gone)) << mode;
  }
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
}

TEST(Closed, AClosedListenerLetsItsWaitingConnectionsGo) {
  const Lab lab;
  const Headgated headgated(lab.server(), web_rule("per_client: 5"));
  UniqueFd listener = lab.server().listen(lab.server_ipv4(kPort));
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 5);
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 5));
  listener.reset();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
}

TEST(Counted, AConnectionThatIsNeverAccepted) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort), {}, ServerMode::kIgnore);
  const Headgated headgated(lab.server(), web_rule("per_client: 4"));
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), 4);
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 4));
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  for (UniqueFd& socket : held) close_socket(std::move(socket), CloseKind::kReset);
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
}

TEST(Counted, AConnectionThatTheClientHasHalfClosed) {
  const Lab lab;
  const UniqueFd listener = lab.server().listen(lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 1"));
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), 1);
  UniqueFd accepted = accept_from(listener);
  ASSERT_TRUE(accepted);

  ::shutdown(held[0].get(), SHUT_WR);
  ASSERT_TRUE(closed_by_peer(accepted, 2s));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 1)) << "CLOSE_WAIT";
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));

  accepted.reset();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
}

TEST(Counted, AConnectionThatTheServerHasHalfClosed) {
  const Lab lab;
  const UniqueFd listener = lab.server().listen(lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), web_rule("per_client: 1"));
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), 1);
  const UniqueFd accepted = accept_from(listener);
  ASSERT_TRUE(accepted);

  ::shutdown(accepted.get(), SHUT_WR);
  ASSERT_TRUE(closed_by_peer(held[0], 2s));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 1)) << "FIN_WAIT2";
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
}

TEST(NotCounted, TimeWait) {
  const Lab lab;
  const UniqueFd listener = lab.server().listen(lab.server_ipv4(kPort));
  const SocketDiag diag(lab.server().network());
  const Headgated headgated(lab.server(), web_rule("per_client: 3"));
  for (int round = 0; round < 4; ++round) {
    auto held = hold(lab.client(0), lab.server_ipv4(kPort), 3);
    // Who closes first has the TIME_WAIT.
    for (std::size_t i = 0; i < held.size(); ++i) accept_from(listener).reset();
    for (const UniqueFd& socket : held) EXPECT_TRUE(closed_by_peer(socket, 2s));
    held.clear();
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
  }
  // What the kernel keeps of a connection until the client's FIN has come is shown as FIN_WAIT2.
  EXPECT_TRUE(eventually(
      2s, [&] { return diag.count({.local_port = kPort, .states = kTimeWait}) == 12U; }));
}

TEST(Counted, ExactlyTheSocketsThatSurviveAnAcceptQueueOverflow) {
  const Lab lab;
  // Room for three; who completes the handshake beyond that stays half-open at the server.
  const UniqueFd listener = lab.server().listen(lab.server_ipv4(kPort), {.backlog = 2});
  const SocketDiag diag(lab.server().network());
  const Headgated headgated(lab.server(), web_rule("per_client: 50", "handshake_timeout: 1s"));
  std::vector<ConnectResult> clients;
  lab.client(0).network().run([&] {
    for (int i = 0; i < 10; ++i) {
      clients.push_back(connect_to(lab.server_ipv4(kPort), {.timeout = 100ms}));
    }
  });
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 3));

  clients.clear();
  for (int i = 0; i < 3; ++i) accept_from(listener, 1s).reset();
  const auto idle = [&] { return diag.count({.local_port = kPort}) == 0; };
  EXPECT_TRUE(eventually(5s, idle));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
  EXPECT_TRUE(eventually(5s, [&] { return headgated.rule("web").half_open == 0; }));
}

TEST(Counted, ExactlyTheSocketsThatSurviveAnAcceptQueueOverflowWithResets) {
  const Lab lab;
  lab.server().network().set_sysctl("net/ipv4/tcp_abort_on_overflow", "1");
  const UniqueFd listener = lab.server().listen(lab.server_ipv4(kPort), {.backlog = 2});
  const Headgated headgated(lab.server(), web_rule("per_client: 50"));
  std::vector<ConnectResult> clients;
  lab.client(0).network().run([&] {
    for (int i = 0; i < 10; ++i) {
      clients.push_back(connect_to(lab.server_ipv4(kPort), {.timeout = 100ms}));
    }
  });
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 3));
}

TEST(Counted, WithSynCookiesForcedOn) {
  const Lab lab;
  lab.server().network().set_sysctl("net/ipv4/tcp_syncookies", "2");
  const Server server(lab.server(), {address("::"), kPort}, {.dual_stack = true});
  const Headgated headgated(lab.server(), web_rule("per_client: 5"));
  for (const Endpoint& to : {lab.server_ipv4(kPort), lab.server_ipv6(kPort)}) {
    auto held = hold(lab.client(0), to, 5);
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 5));
    EXPECT_TRUE(refused(lab.client(0), to));
    EXPECT_EQ(headgated.rule("web").half_open, 0U);
    held.pop_back();
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 4));
    EXPECT_TRUE(admitted(lab.client(0), to));
    held.clear();
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
  }
}

// Whether the data of the client's SYN was acknowledged with the SYN-ACK.
bool used_fast_open(const UniqueFd& socket) {
  tcp_info info{};
  socklen_t length = sizeof info;
  EXPECT_EQ(::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  return (info.tcpi_options & TCPI_OPT_SYN_DATA) != 0;
}

TEST(Counted, WithTcpFastOpen) {
  const Lab lab;
  lab.server().network().set_sysctl("net/ipv4/tcp_fastopen", "3");
  lab.client(0).network().set_sysctl("net/ipv4/tcp_fastopen", "3");
  const Server server(lab.server(), lab.server_ipv4(kPort), {.fast_open_queue = 16});
  const Headgated headgated(lab.server(), web_rule("per_client: 3"));
  const ConnectOptions with_data{.fast_open_data = "hello"};

  // The first fetches the cookie, the others use it.
  std::vector<UniqueFd> held;
  for (int i = 0; i < 3; ++i) {
    ConnectResult result = lab.client(0).connect(lab.server_ipv4(kPort), with_data);
    ASSERT_TRUE(result.connected()) << std::strerror(result.error);
    held.push_back(std::move(result.socket));
    EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, held.size()));
    EXPECT_EQ(used_fast_open(held.back()), i > 0);
  }
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort), with_data));
  held.pop_back();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 2));
  EXPECT_TRUE(admitted(lab.client(0), lab.server_ipv4(kPort), with_data));
  held.clear();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
  EXPECT_EQ(headgated.rule("web").half_open, 0U);
}

}  // namespace
}  // namespace headgate::lab
