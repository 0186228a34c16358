// SPDX-License-Identifier: Apache-2.0
// What becomes of a connection beyond a limit: nothing, a reset, or silence.
#include <csignal>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/raw_tcp.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

class Actions : public testing::Test {
 protected:
  // Completes `count` handshakes together, each from another address that nobody has.
  void complete_together(int count) {
    std::vector<TcpSegment> syn_acks;
    for (int i = 1; i <= count; ++i) {
      const Endpoint client{address("198.18.1." + std::to_string(i)), 40000};
      raw_.send_syn(client, web_);
      const auto answer = raw_.receive(web_, client);
      ASSERT_TRUE(answer && answer->flags.syn);
      syn_acks.push_back(*answer);
    }
    for (const TcpSegment& syn_ack : syn_acks) raw_.send_ack(syn_ack);
  }
  static std::string refused_total(const std::string& action) {
    return "headgate_refused_total{rule=\"web\",reason=\"client_connections\",action=\"" + action +
           "\"}";
  }

  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Endpoint web_ipv6_ = lab_.server_ipv6(kPort);
  const Server server_{lab_.server(), {address("::"), kPort}, {.dual_stack = true}};
  RawClient raw_{lab_.client(0)};
};

using Monitor = Actions;

TEST_F(Monitor, RefusesNothingAndCountsWhatItWouldHaveRefused) {
  const Headgated headgated(lab_.server(),
                            web_with("mode: monitor\nconnections: { per_client: 2, total: 4 }"));
  const auto held = hold(lab_.client(0), web_, 5);
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), web_));
  EXPECT_TRUE(gets("total_connections", headgated, lab_.client(1), web_));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 5));

  const RuleStatus status = headgated.rule("web");
  EXPECT_EQ(status.refused, 0U);
  EXPECT_EQ(status.would_refuse, 3U + 2U);
  EXPECT_EQ(status.overshoot_closed, 0U);
  const MetricsPage page = headgated.metrics();
  EXPECT_EQ(page.at("headgate_would_refuse_total{rule=\"web\",reason=\"client_connections\"}"), 4);
  EXPECT_EQ(page.at("headgate_would_refuse_total{rule=\"web\",reason=\"total_connections\"}"), 1);
  EXPECT_EQ(page.sum("headgate_refused_total"), 0);
}

TEST_F(Monitor, LetsADeniedClientInWhateverTheActionWouldBe) {
  const Headgated headgated(lab_.server(), web_with("mode: monitor\non_limit: drop") +
                                               "clients: { deny: [10.64.0.0/16] }\n");
  EXPECT_TRUE(gets("denied", headgated, lab_.client(0), web_, "10.64.7.1"));
  EXPECT_TRUE(gets("none", headgated, lab_.client(1), web_));
}

TEST_F(Monitor, ClosesNothingThatCompletesBeyondALimit) {
  const Headgated headgated(lab_.server(),
                            web_with("mode: monitor\nconnections: { per_network: 1, total: 2 }"));
  complete_together(5);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 5));
  EXPECT_EQ(headgated.rule("web").overshoot_closed, 0U);
}

TEST_F(Monitor, TakesNothingFromABucketForWhatItWouldHaveRefused) {
  const Headgated headgated(lab_.server(), web_with(R"(mode: monitor
new_connections:
  per_client: { rate: 1/h, burst: 2 }
  total: { rate: 1/h, burst: 10 })"));
  EXPECT_EQ(hold(lab_.client(0), web_, 6).size(), 6U);
  EXPECT_TRUE(gets("client_rate", headgated, lab_.client(0), web_));
  EXPECT_NEAR(tokens_at("total", headgated, "10.0.1.2", web_), 8, 0.01);
}

TEST_F(Monitor, ChangedToEnforceRefusesTheNextAndClosesNothing) {
  const std::string keys = "connections: { per_client: 2 }\nmode: ";
  const Headgated headgated(lab_.server(), web_with(keys + "monitor"));
  const auto held = hold(lab_.client(0), web_, 4);
  headgated.reload(web_with(keys + "enforce"));
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), web_));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 4));
  headgated.reload(web_with(keys + "monitor"));
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), web_));
}

using Reset = Actions;

TEST_F(Reset, AnswersTheSynOfARefusedClientWithARst) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 0"));
  const Endpoint client{address("198.18.1.1"), 40000};
  raw_.send_syn(client, web_);
  const auto answer = raw_.receive(web_, client);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->flags, (TcpFlags{.ack = true, .rst = true}));
  EXPECT_EQ(headgated.metrics().counted(refused_total("reset")), 1);
}

class Drop : public Actions {
 protected:
  const Headgated headgated_{lab_.server(),
                             web_with("on_limit: drop\nconnections: { per_client: 2 }")};
};

TEST_F(Drop, LeavesTheRefusedClientWithoutAnAnswerAndOthersInPeace) {
  const auto held = hold(lab_.client(0), web_, 2);
  EXPECT_TRUE(gets("client_connections", headgated_, lab_.client(0), web_));
  EXPECT_TRUE(gets("none", headgated_, lab_.client(1), web_));
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, 2));
  EXPECT_EQ(server_.accepted(), 3U);
  const MetricsPage page = headgated_.metrics();
  EXPECT_GE(page.counted(refused_total("drop")), 1);
  EXPECT_EQ(page.counted(refused_total("reset")), 0);
}

TEST_F(Drop, HoldsOverIpv6) {
  const auto held = hold(lab_.client(0), web_ipv6_, 2);
  EXPECT_TRUE(gets("client_connections", headgated_, lab_.client(0), web_ipv6_));
  EXPECT_TRUE(gets("none", headgated_, lab_.client(1), web_ipv6_));
}

TEST_F(Drop, HoldsWhenEverySynGetsACookie) {
  lab_.server().network().set_sysctl("net/ipv4/tcp_syncookies", "2");
  const auto held = hold(lab_.client(0), web_, 2);
  EXPECT_TRUE(gets("client_connections", headgated_, lab_.client(0), web_));
  EXPECT_TRUE(gets("none", headgated_, lab_.client(1), web_));
}

TEST_F(Drop, AnswersNotOneOfManySyns) {
  headgated_.reload(web_with("on_limit: drop\nconnections: { per_client: 0 }"));
  const Endpoint client{address("198.18.1.1"), 40000};
  for (int i = 0; i < 500; ++i) raw_.send_syn(client, web_);
  EXPECT_FALSE(raw_.receive(web_, client, 500ms));
  EXPECT_EQ(headgated_.metrics().counted(refused_total("drop")), 500);
  EXPECT_EQ(headgated_.rule("web").half_open, 0U);
}

TEST_F(Drop, NeedsNothingOfTheDaemon) {
  const auto held = hold(lab_.client(0), web_, 2);
  ASSERT_EQ(::kill(headgated_.pid(), SIGSTOP), 0);
  const ConnectResult result = lab_.client(0).connect(web_, {.timeout = 300ms});
  EXPECT_EQ(result.error, ETIMEDOUT);
  EXPECT_TRUE(admitted(lab_.client(1), web_));
  ASSERT_EQ(::kill(headgated_.pid(), SIGCONT), 0);
}

TEST_F(Drop, AClientThatTriesAgainGetsInOnceThereIsRoom) {
  auto held = hold(lab_.client(0), web_, 2);
  std::thread later([&] {
    std::this_thread::sleep_for(300ms);
    held.pop_back();
  });
  // The kernel of the client repeats its SYN after one second.
  const ConnectResult result = lab_.client(0).connect(web_);
  later.join();
  EXPECT_TRUE(result.connected());
  EXPECT_GE(result.duration, 500ms);
}

}  // namespace
}  // namespace headgate::lab
