// SPDX-License-Identifier: Apache-2.0
// Clients that are denied for a time because they were refused too often.
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

using Clock = std::chrono::steady_clock;

// How long what the kernel has decided may take to be seen on a busy machine.
const auto kLate = allowed(150ms);

constexpr const char* kClient = "10.64.7.1";
constexpr const char* kNeighbour = "10.64.7.2";

// Everyone may hold one connection; `penalty` as in "after: 3, within: 10s, deny_for: 1s".
std::string rule_with(const std::string& penalty, const std::string& more = "") {
  return web_with("connections: { per_client: 1 }\npenalty: { " + penalty + " }\n" + more);
}

class Penalty : public testing::Test {
 protected:
  void start(const std::string& yaml) {
    headgated_ = std::make_unique<Headgated>(lab_.server(), yaml);
  }
  Endpoint to(const std::string& client) const {
    return client.find(':') != std::string::npos ? lab_.server_ipv6(kPort) : web_;
  }
  // So many connections beyond the one that the client may hold; then it holds none.
  void be_refused(int times, const std::string& client = kClient) const {
    const auto held = hold(lab_.client(0), to(client), 1, Endpoint{address(client)});
    for (int i = 0; i < times; ++i) {
      EXPECT_TRUE(refused(lab_.client(0), to(client), {.from = Endpoint{address(client)}}));
    }
  }
  testing::AssertionResult gets_from(const std::string& client, const std::string& reason) const {
    return gets(reason, *headgated_, lab_.client(0), to(client), client);
  }
  // Earns a penalty and tries to connect until it is over; returns how long that took.
  Clock::duration serve(int refusals) const {
    return lab_.client(0).network().run([&] {
      const ConnectOptions from{.from = Endpoint{address(kClient)}};
      ConnectResult held = connect_to(web_, from);
      for (int i = 0; i < refusals; ++i) connect_to(web_, from);
      const auto begin = Clock::now();
      held.socket.reset();
      while (!connect_to(web_, from).connected()) std::this_thread::sleep_for(2ms);
      return Clock::now() - begin;
    });
  }
  int times() const { return explain(*headgated_, kClient, web_).at("penalty_times"); }
  nlohmann::json listed() const { return headgated_->ctl({"deny", "list"}).at("entries"); }

  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Server server_{lab_.server(), {address("::"), kPort}, {.dual_stack = true}};
  std::unique_ptr<Headgated> headgated_;
};

TEST_F(Penalty, DeniesAClientThatWasRefusedSoOftenAlsoWhenThereIsRoom) {
  start(rule_with("after: 3, within: 10s, deny_for: 1m"));
  be_refused(2);
  EXPECT_TRUE(counts(*headgated_, "web", lab_.server(), kPort, 0));
  EXPECT_TRUE(gets_from(kClient, "none"));
  EXPECT_EQ(times(), 0);

  be_refused(1);
  EXPECT_TRUE(counts(*headgated_, "web", lab_.server(), kPort, 0));
  EXPECT_TRUE(gets_from(kClient, "denied"));
  EXPECT_TRUE(gets_from(kNeighbour, "none"));
  EXPECT_EQ(times(), 1);
  EXPECT_EQ(headgated_->refused_for("web", "client_connections"), 3U);
  EXPECT_EQ(headgated_->metrics().at("headgate_penalties_total{rule=\"web\"}"), 1);
}

TEST_F(Penalty, OfAnIpv6ClientIsForItsWholePrefix) {
  start(rule_with("after: 3, within: 10s, deny_for: 1m"));
  be_refused(3, "2001:db8:64:7::1");
  EXPECT_TRUE(gets_from("2001:db8:64:7::ffff", "denied"));
  EXPECT_TRUE(gets_from("2001:db8:64:8::1", "none"));
}

TEST_F(Penalty, IsOfOneRule) {
  const Server second(lab_.server(), lab_.server_ipv4(kPort + 1));
  start(rule_with("after: 3, within: 10s, deny_for: 1m") +
        "  - { name: other, listen: [\"8081\"], connections: { per_client: 5 } }\n");
  be_refused(3);
  EXPECT_TRUE(gets_from(kClient, "denied"));
  EXPECT_TRUE(gets("none", *headgated_, lab_.client(0), lab_.server_ipv4(kPort + 1), kClient));
}

TEST_F(Penalty, EndsByItselfAndTheNextIsLongerUpToTheLongest) {
  start(rule_with("after: 2, within: 10s, deny_for: 1s, grow: 2, at_most: 3s"));
  const std::chrono::seconds lengths[] = {1s, 2s, 3s, 3s};
  for (int i = 0; i < 4; ++i) {
    const auto served = serve(2);
    EXPECT_GE(served, lengths[i] - 20ms) << "penalty " << i + 1;
    EXPECT_LE(served, lengths[i] + kLate) << "penalty " << i + 1;
    EXPECT_EQ(times(), i + 1);
    EXPECT_TRUE(counts(*headgated_, "web", lab_.server(), kPort, 0));
  }
}

TEST_F(Penalty, IsForgottenWhenTheLongestHasPassedSinceItsEnd) {
  start(rule_with("after: 2, within: 10s, deny_for: 1s, grow: 2, at_most: 2s"));
  serve(2);
  std::this_thread::sleep_for(2100ms);
  EXPECT_LE(serve(2), 1s + kLate);
  EXPECT_EQ(times(), 1);
}

TEST_F(Penalty, RefusalsCountForAsLongAsItSaysFromTheFirst) {
  start(rule_with("after: 3, within: 1s, deny_for: 1m"));
  const auto held = hold(lab_.client(0), web_, 1, Endpoint{address(kClient)});
  const ConnectOptions from{.from = Endpoint{address(kClient)}};
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(refused(lab_.client(0), web_, from));
    EXPECT_TRUE(refused(lab_.client(0), web_, from));
    std::this_thread::sleep_for(1050ms);
  }
  EXPECT_EQ(times(), 0);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(refused(lab_.client(0), web_, from));
  EXPECT_EQ(times(), 1);
}

TEST_F(Penalty, BeingDeniedIsNoNewOffence) {
  start(rule_with("after: 3, within: 10s, deny_for: 1s, grow: 10"));
  headgated_->ctl({"deny", "add", kNeighbour});
  const auto tries = [&](const char* client) {
    const ConnectOptions from{.from = Endpoint{address(client)}};
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(refused(lab_.client(0), web_, from));
  };
  tries(kNeighbour);
  headgated_->ctl({"deny", "del", kNeighbour});
  EXPECT_TRUE(gets_from(kNeighbour, "none"));

  be_refused(3);
  tries(kClient);
  EXPECT_EQ(times(), 1);
  std::this_thread::sleep_for(1100ms);
  EXPECT_TRUE(gets_from(kClient, "none"));
}

TEST_F(Penalty, IsListedAndExplainedAndEndedByDenyDel) {
  start(rule_with("after: 3, within: 10s, deny_for: 10m"));
  be_refused(3);
  be_refused(3, "2001:db8:64:7::1");
  const nlohmann::json entries = listed();
  ASSERT_EQ(entries.size(), 2U) << entries;
  EXPECT_EQ(entries[0].at("cidr"), kClient);
  EXPECT_EQ(entries[0].at("source"), "penalty");
  EXPECT_EQ(entries[0].at("rule"), "web");
  EXPECT_EQ(entries[1].at("cidr"), "2001:db8:64:7::/64");
  const auto now_ms = std::chrono::system_clock::now().time_since_epoch() / 1ms;
  EXPECT_NEAR(entries[0].at("until_unix_ms").get<double>(), static_cast<double>(now_ms + 600'000),
              10'000);
  const nlohmann::json explained = explain(*headgated_, kClient, web_);
  EXPECT_EQ(explained.at("penalty").at("cidr"), kClient);
  EXPECT_FALSE(explained.contains("deny"));
  EXPECT_EQ(
      explain(*headgated_, "2001:db8:64:7::2", lab_.server_ipv6(kPort)).at("penalty").at("cidr"),
      "2001:db8:64:7::/64");

  EXPECT_EQ(headgated_->ctl({"deny", "del", kClient}).at("removed"), 1);
  EXPECT_TRUE(gets_from(kClient, "none"));
  EXPECT_EQ(headgated_->ctl({"deny", "del", "2001:db8:64:7::/64"}).at("removed"), 1);
  EXPECT_TRUE(gets_from("2001:db8:64:7::1", "none"));
  EXPECT_TRUE(listed().empty());
}

TEST_F(Penalty, IsKeptOverAReloadAndGoesWithThePenaltyOfTheRule) {
  const std::string penalty = "after: 3, within: 10s, deny_for: 10m";
  start(rule_with(penalty));
  be_refused(3);
  headgated_->reload(rule_with(penalty, "handshake_timeout: 5s"));
  EXPECT_TRUE(gets_from(kClient, "denied"));
  headgated_->reload(web_with("connections: { per_client: 1 }"));
  EXPECT_TRUE(gets_from(kClient, "none"));
}

TEST_F(Penalty, OfAMonitoredRuleIsCountedAndRefusesNothing) {
  start(rule_with("after: 3, within: 10s, deny_for: 1m", "mode: monitor"));
  EXPECT_EQ(hold(lab_.client(0), web_, 4, Endpoint{address(kClient)}).size(), 4U);
  EXPECT_TRUE(counts(*headgated_, "web", lab_.server(), kPort, 0));
  EXPECT_TRUE(gets_from(kClient, "denied"));
  EXPECT_EQ(headgated_->rule("web").refused, 0U);
  EXPECT_EQ(headgated_->metrics().at("headgate_penalties_total{rule=\"web\"}"), 1);
}

TEST_F(Penalty, AnExemptClientEarnsNone) {
  start(rule_with("after: 3, within: 10s, deny_for: 1m") + "clients: { exempt: [10.64.7.1] }\n");
  const auto held = hold(lab_.client(0), web_, 20, Endpoint{address(kClient)});
  EXPECT_EQ(held.size(), 20U);
  EXPECT_EQ(times(), 0);
  EXPECT_TRUE(listed().empty());
}

}  // namespace
}  // namespace headgate::lab
