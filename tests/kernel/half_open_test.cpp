// SPDX-License-Identifier: Apache-2.0
// Handshakes that have begun: for how long, and against which limits, they count.
#include <csignal>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/raw_tcp.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr const char* kClient = "198.18.0.9";

Endpoint nobody(int index, std::uint16_t port) {
  return {address("198.18.1." + std::to_string(index)), port};
}

class HalfOpen : public testing::Test {
 protected:
  // Begins `count` handshakes from `source` and leaves them there; each must be answered.
  void abandon(const std::string& source, int count) {
    for (int i = 0; i < count; ++i) {
      const Endpoint from{address(source), static_cast<std::uint16_t>(next_port_++)};
      raw_.send_syn(from, web_);
      const auto answer = raw_.receive(web_, from);
      ASSERT_TRUE(answer) << "no answer to the SYN";
      ASSERT_EQ(answer->flags, (TcpFlags{.syn = true, .ack = true}));
    }
  }
  // Lets client 0 use an address that nobody had; its kernel then answers for it.
  void become(const std::string& source) { lab_.client(0).own(source + "/32"); }
  static ConnectOptions from(const std::string& source) {
    return {.from = Endpoint{address(source)}};
  }

  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Server server_{lab_.server(), web_};
  RawClient raw_{lab_.client(0)};
  int next_port_ = 40000;
};

TEST_F(HalfOpen, AnAbandonedHandshakeHoldsItsSlotForItsTimeoutAndIsFreeAfterTwice) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 3", "handshake_timeout: 3s"));
  const auto begin = std::chrono::steady_clock::now();
  abandon(kClient, 3);
  EXPECT_EQ(headgated.rule("web").half_open, 3U);
  EXPECT_EQ(headgated.rule("web").connections, 0U);
  become(kClient);

  while (std::chrono::steady_clock::now() < begin + 2500ms) {
    ASSERT_TRUE(refused(lab_.client(0), web_, from(kClient)));
    EXPECT_TRUE(admitted(lab_.client(1), web_)) << "another client";
    std::this_thread::sleep_for(100ms);
  }
  std::this_thread::sleep_until(begin + 6200ms);
  EXPECT_TRUE(admitted(lab_.client(0), web_, from(kClient)));
  EXPECT_TRUE(eventually(
      7s, [&] { return headgated.rule("web").half_open == 0; }, 200ms));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));
}

TEST_F(HalfOpen, ACompletedHandshakeTurnsItsHalfOpenSlotIntoAConnection) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  const Endpoint client = nobody(1, 40000);
  raw_.send_syn(client, web_);
  const auto syn_ack = raw_.receive(web_, client);
  ASSERT_TRUE(syn_ack);
  EXPECT_EQ(headgated.rule("web").half_open, 1U);
  raw_.send_ack(*syn_ack);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 1));
  EXPECT_EQ(headgated.rule("web").half_open, 0U);
}

TEST_F(HalfOpen, ARepeatedSynTakesNoSecondSlot) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  const Endpoint client = nobody(1, 40000);
  for (int i = 0; i < 5; ++i) raw_.send_syn(client, web_);
  EXPECT_TRUE(raw_.receive(web_, client));
  EXPECT_EQ(headgated.rule("web").half_open, 1U);
  EXPECT_EQ(headgated.rule("web").refused, 0U);
}

TEST_F(HalfOpen, AConnectionBySynCookieGivesBackNoSlotOfAnother) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 5"));
  abandon(kClient, 3);
  become(kClient);
  lab_.server().network().set_sysctl("net/ipv4/tcp_syncookies", "2");
  const auto held = hold(lab_.client(0), web_, 2, Endpoint{address(kClient)});
  EXPECT_EQ(headgated.rule("web").half_open, 3U);
  EXPECT_TRUE(refused(lab_.client(0), web_, from(kClient)));
}

TEST_F(HalfOpen, CountHalfOpenClientCountsThemForTheClientOnly) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 3, total: 4"));
  for (int i = 1; i <= 10; ++i) abandon(nobody(i, 0).address.to_string(), 1);
  abandon(kClient, 3);
  become(kClient);

  EXPECT_TRUE(refused(lab_.client(0), web_, from(kClient)));
  EXPECT_EQ(hold(lab_.client(1), web_, 3).size(), 3U) << "the total is not shut out";
  EXPECT_EQ(headgated.rule("web").half_open, 13U);
}

TEST_F(HalfOpen, CountHalfOpenAllCountsThemForTheTotalToo) {
  const Headgated headgated(lab_.server(),
                            web_rule("per_client: 3, total: 4", "count_half_open: all"));
  abandon(kClient, 3);
  const auto held = hold(lab_.client(1), web_, 1);
  EXPECT_TRUE(refused(lab_.client(1), web_)) << "3 half-open + 1 connection";
  become(kClient);
  EXPECT_TRUE(refused(lab_.client(0), web_, from(kClient)));
}

TEST_F(HalfOpen, CountHalfOpenNoneCountsThemForNoLimit) {
  const Headgated headgated(lab_.server(),
                            web_rule("per_client: 2, total: 3", "count_half_open: none"));
  abandon(kClient, 10);
  become(kClient);
  const auto held = hold(lab_.client(0), web_, 2, Endpoint{address(kClient)});
  EXPECT_EQ(held.size(), 2U);
  EXPECT_TRUE(refused(lab_.client(0), web_, from(kClient)));
  const auto last = hold(lab_.client(1), web_, 1);
  EXPECT_TRUE(refused(lab_.client(1), web_));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 3));
}

TEST_F(HalfOpen, HandshakesThatCompleteTogetherBeyondTheTotalAreClosedAtOnce) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 3, total: 2"));
  std::vector<TcpSegment> syn_acks;
  for (int i = 1; i <= 5; ++i) {
    const Endpoint client = nobody(i, 40000);
    raw_.send_syn(client, web_);
    const auto answer = raw_.receive(web_, client);
    ASSERT_TRUE(answer && answer->flags.syn);
    syn_acks.push_back(*answer);
  }
  for (const TcpSegment& syn_ack : syn_acks) raw_.send_ack(syn_ack);

  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 2));
  EXPECT_EQ(headgated.rule("web").overshoot_closed, 3U);
  EXPECT_EQ(headgated.rule("web").admitted, 2U);
}

// The daemon learns from an event that a connection is beyond a limit. While it is stopped, more
// come together than the ring buffer holds.
TEST(Overshoot, IsClosedAlsoWhenItsEventsWereLost) {
  constexpr int kHandshakes = 9000;
  const Lab lab;
  for (const char* key : {"net/ipv4/tcp_max_syn_backlog", "net/core/somaxconn"}) {
    lab.server().network().set_sysctl(key, "20000");
  }
  const Endpoint web = lab.server_ipv4(kPort);
  const UniqueFd listener = lab.server().listen(web, {.backlog = 20000});
  const Headgated headgated(lab.server(), web_rule("total: 2", "handshake_timeout: 60s"));
  RawClient raw(lab.client(0));
  std::vector<TcpSegment> syn_acks;
  for (int i = 0; i < kHandshakes; ++i) {
    const Endpoint client = nobody(1 + i / 1000, static_cast<std::uint16_t>(40000 + i % 1000));
    raw.send_syn(client, web);
    const auto answer = raw.receive(web, client);
    ASSERT_TRUE(answer && answer->flags.syn) << "handshake " << i;
    syn_acks.push_back(*answer);
  }

  ASSERT_EQ(::kill(headgated.pid(), SIGSTOP), 0);
  for (const TcpSegment& syn_ack : syn_acks) raw.send_ack(syn_ack);
  std::this_thread::sleep_for(500ms);
  ASSERT_EQ(::kill(headgated.pid(), SIGCONT), 0);

  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 2));
  EXPECT_EQ(headgated.rule("web").overshoot_closed, static_cast<std::uint64_t>(kHandshakes - 2));
  EXPECT_GT(headgated.metrics().at("headgate_events_lost_total"), 0);
}

TEST_F(HalfOpen, AConnectionClosedAsOvershootIsReset) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 1", "count_half_open: none"));
  std::vector<TcpSegment> syn_acks;
  for (std::uint16_t port = 40000; port < 40002; ++port) {
    const Endpoint client = nobody(1, port);
    raw_.send_syn(client, web_);
    const auto answer = raw_.receive(web_, client);
    ASSERT_TRUE(answer && answer->flags.syn);
    syn_acks.push_back(*answer);
  }
  for (const TcpSegment& syn_ack : syn_acks) raw_.send_ack(syn_ack);

  const auto closing = raw_.receive(web_, nobody(1, 40001));
  ASSERT_TRUE(closing) << "the second connection was not closed";
  EXPECT_TRUE(closing->flags.rst);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 1));
}

}  // namespace
}  // namespace headgate::lab
