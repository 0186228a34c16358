// SPDX-License-Identifier: Apache-2.0
// Limits of new connections: token buckets of a client, its network, and all clients.
#include <atomic>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

using Clock = std::chrono::steady_clock;

// How long what the kernel has decided may take to be seen on a busy machine.
const auto kLate = allowed(150ms);

class Rates : public testing::Test {
 protected:
  // Connects and closes at once; returns how many of `attempts` were admitted.
  int admitted_of(int attempts, const Endpoint& to, const std::string& from) const {
    return lab_.client(0).network().run([&] {
      int count = 0;
      for (int i = 0; i < attempts; ++i) {
        if (connect_to(to, {.from = Endpoint{address(from)}}).connected()) ++count;
      }
      return count;
    });
  }
  int admitted_of(int attempts, const std::string& from = "10.64.7.1") const {
    return admitted_of(attempts, web_, from);
  }
  // Tries again and again until it is admitted; returns when.
  Clock::time_point next_admitted(const Endpoint& to, const std::string& from) const {
    return lab_.client(0).network().run([&] {
      while (!connect_to(to, {.from = Endpoint{address(from)}}).connected()) {
        std::this_thread::sleep_for(2ms);
      }
      return Clock::now();
    });
  }
  double tokens(const std::string& level, const Headgated& headgated,
                const std::string& client = "10.64.7.1") const {
    return tokens_at(level, headgated, client, web_);
  }

  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Server server_{lab_.server(), {address("::"), kPort}, {.dual_stack = true}};
};

class Burst : public Rates, public testing::WithParamInterface<bool> {};

TEST_P(Burst, IsAdmittedAtOnceAndThenOneAfterEachInterval) {
  const int per_minute =
      120 / slowness();  // the last token comes back later than a refusal is seen
  const auto interval = std::chrono::milliseconds(60s) / per_minute;
  const Headgated headgated(lab_.server(),
                            web_with("new_connections: { per_client: { rate: " +
                                     std::to_string(per_minute) + "/m, burst: 3 } }"));
  const Endpoint to = GetParam() ? lab_.server_ipv6(kPort) : web_;
  const std::string client = GetParam() ? "2001:db8:64::1" : "10.64.7.1";
  const auto begin = Clock::now();
  ASSERT_EQ(admitted_of(3, to, client), 3);
  const auto taken = Clock::now();
  ASSERT_TRUE(gets("client_rate", headgated, lab_.client(0), to, client));
  for (int i = 1; i <= 3; ++i) {
    const auto next = next_admitted(to, client);
    EXPECT_GE(next, begin + i * interval) << "token " << i;
    EXPECT_LE(next, taken + i * interval + kLate) << "token " << i;
  }
  EXPECT_EQ(headgated.rule("web").admitted, 6U);
}
INSTANTIATE_TEST_SUITE_P(Over, Burst, testing::Bool(),
                         [](const auto& is_ipv6) { return is_ipv6.param ? "IPv6" : "IPv4"; });

TEST_F(Rates, ABucketThatRestsIsFullAgainAndNoFuller) {
  const Headgated headgated(lab_.server(),
                            web_with("new_connections: { per_client: { rate: 10/s, burst: 3 } }"));
  EXPECT_GE(admitted_of(10), 3);
  std::this_thread::sleep_for(1200ms);  // twelve tokens' time
  EXPECT_NEAR(tokens("per_client", headgated), 3, 0.001);
  const auto begin = Clock::now();
  const int admitted = admitted_of(50);
  EXPECT_GE(admitted, 3);
  EXPECT_LE(admitted, 3 + (Clock::now() - begin) / 100ms);
}

TEST_F(Rates, EachLevelThatIsTooFastRefusesForItsOwnReason) {
  const Headgated headgated(lab_.server(), web_with(R"(new_connections:
  per_client: { rate: 1/h, burst: 2 }
  per_network: { rate: 1/h, burst: 3 }
  total: { rate: 1/h, burst: 5 })"));
  EXPECT_EQ(admitted_of(2), 2);
  EXPECT_TRUE(gets("client_rate", headgated, lab_.client(0), web_, "10.64.7.1"));
  EXPECT_EQ(admitted_of(1, "10.64.7.2"), 1);
  EXPECT_TRUE(gets("network_rate", headgated, lab_.client(0), web_, "10.64.7.2"));
  EXPECT_TRUE(gets("client_rate", headgated, lab_.client(0), web_, "10.64.7.1"));
  EXPECT_EQ(admitted_of(2, "10.64.8.1"), 2);
  EXPECT_TRUE(gets("total_rate", headgated, lab_.client(0), web_, "10.64.9.1"));
  EXPECT_EQ(headgated.rule("web").refused, 4U);
}

TEST_F(Rates, NothingIsTakenFromTheOtherBucketsWhenTheTotalRefuses) {
  const Headgated headgated(lab_.server(), web_with(R"(new_connections:
  per_client: { rate: 1/h, burst: 10 }
  per_network: { rate: 1/h, burst: 20 }
  total: { rate: 1/h, burst: 2 })"));
  EXPECT_EQ(admitted_of(7), 2);
  EXPECT_NEAR(tokens("per_client", headgated), 8, 0.01);
  EXPECT_NEAR(tokens("per_network", headgated), 18, 0.01);
  EXPECT_NEAR(tokens("total", headgated), 0, 0.01);
}

TEST_F(Rates, NothingIsTakenFromTheOtherBucketsWhenTheClientIsRefused) {
  const Headgated headgated(lab_.server(), web_with(R"(new_connections:
  per_client: { rate: 1/h, burst: 2 }
  per_network: { rate: 1/h, burst: 20 }
  total: { rate: 1/h, burst: 30 })"));
  EXPECT_EQ(admitted_of(9), 2);
  EXPECT_NEAR(tokens("per_client", headgated), 0, 0.01);
  EXPECT_NEAR(tokens("per_network", headgated), 18, 0.01);
  EXPECT_NEAR(tokens("total", headgated), 28, 0.01);
}

TEST_F(Rates, NothingIsTakenFromAnyBucketWhenALimitOfConnectionsRefuses) {
  const Headgated headgated(lab_.server(), web_with(R"(connections: { per_client: 1 }
new_connections:
  per_client: { rate: 1/h, burst: 10 }
  per_network: { rate: 1/h, burst: 20 }
  total: { rate: 1/h, burst: 30 })"));
  const auto held = hold(lab_.client(0), web_, 1, Endpoint{address("10.64.7.1")});
  EXPECT_EQ(admitted_of(9), 0);
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), web_, "10.64.7.1"));
  EXPECT_NEAR(tokens("per_client", headgated), 9, 0.01);
  EXPECT_NEAR(tokens("per_network", headgated), 19, 0.01);
  EXPECT_NEAR(tokens("total", headgated), 29, 0.01);
}

TEST_F(Rates, AnExemptClientTakesNothingAndIsNeverTooFast) {
  const Headgated headgated(lab_.server(), web_with(R"(new_connections:
  per_client: { rate: 1/h, burst: 2 }
  total: { rate: 1/h, burst: 4 })") + "clients: { exempt: [10.64.7.1] }\n");
  EXPECT_EQ(admitted_of(20), 20);
  EXPECT_NEAR(tokens("total", headgated), 4, 0.01);
  EXPECT_EQ(admitted_of(20, "10.64.7.2"), 2);
}

TEST_F(Rates, ByDefaultTheBurstIsWhatComesInASecond) {
  const Headgated headgated(lab_.server(),
                            web_with("new_connections: { per_client: 90/m, per_network: 10/h }"));
  const nlohmann::json explained = explain(headgated, "10.64.7.1", web_);
  EXPECT_EQ(explained.at("per_client").at("bucket").at("burst"), 2);
  EXPECT_NEAR(explained.at("per_client").at("bucket").at("rate_per_second"), 1.5, 1e-6);
  EXPECT_EQ(explained.at("per_network").at("bucket").at("burst"), 1);
  EXPECT_FALSE(explained.at("total").contains("bucket"));
  EXPECT_EQ(admitted_of(3), 1);
  EXPECT_TRUE(gets("network_rate", headgated, lab_.client(0), web_, "10.64.7.1"));
}

// With a cookie for every SYN the kernel asks twice: for the SYN and for the ACK.
TEST_F(Rates, AConnectionBySynCookieCostsExactlyOneToken) {
  lab_.server().network().set_sysctl("net/ipv4/tcp_syncookies", "2");
  const Headgated headgated(lab_.server(), web_with(R"(new_connections:
  per_client: { rate: 1/h, burst: 1 }
  per_network: { rate: 1/h, burst: 10 }
  total: { rate: 1/h, burst: 10 })"));
  EXPECT_EQ(admitted_of(3), 1);
  EXPECT_TRUE(gets("client_rate", headgated, lab_.client(0), web_, "10.64.7.1"));
  EXPECT_EQ(admitted_of(2, "10.64.7.2"), 1);
  EXPECT_EQ(admitted_of(2, lab_.server_ipv6(kPort), "2001:db8:64::1"), 1);
  EXPECT_NEAR(tokens("per_client", headgated), 0, 0.01);
  EXPECT_NEAR(tokens("per_network", headgated), 8, 0.01);
  EXPECT_NEAR(tokens("total", headgated), 7, 0.01);
}

TEST_F(Rates, AHigherRateLetsAnExhaustedClientInAtOnce) {
  const Headgated headgated(lab_.server(), web_with(R"(new_connections:
  per_client: { rate: 1/h, burst: 2 }
  per_network: { rate: 1/h, burst: 2 }
  total: { rate: 1/h, burst: 2 })"));
  EXPECT_EQ(admitted_of(2), 2);
  EXPECT_TRUE(gets("client_rate", headgated, lab_.client(0), web_, "10.64.7.1"));
  headgated.reload(web_with(R"(new_connections:
  per_client: { rate: 1000/s, burst: 10 }
  per_network: { rate: 1000/s, burst: 10 }
  total: { rate: 1000/s, burst: 10 })"));
  EXPECT_TRUE(gets("none", headgated, lab_.client(0), web_, "10.64.7.1"));
  EXPECT_EQ(admitted_of(5), 5);
}

TEST_F(Rates, ALowerRateHoldsAtOnce) {
  const Headgated headgated(
      lab_.server(), web_with("new_connections: { per_client: { rate: 1000/s, burst: 1000 } }"));
  EXPECT_EQ(admitted_of(100), 100);
  std::this_thread::sleep_for(200ms);  // the bucket is full again
  headgated.reload(web_with("new_connections: { per_client: { rate: 1/h, burst: 3 } }"));
  EXPECT_EQ(admitted_of(10), 3);
}

TEST_F(Rates, AMillionASecondIsKeptUpWith) {
  const Headgated headgated(
      lab_.server(), web_with("new_connections: { per_client: { rate: 1000000/s, burst: 1 } }"));
  EXPECT_EQ(admitted_of(2000), 2000);
}

TEST_F(Rates, AStormIsAdmittedAtTheRateOfTheTotalAndNoFaster) {
  constexpr int kThreads = 64;
  constexpr int kBurst = 50;
  constexpr auto kStorm = 3s;
  constexpr auto kInterval = 10ms;
  const Headgated headgated(lab_.server(),
                            web_with("new_connections: { total: { rate: 100/s, burst: 50 } }"));
  std::atomic<int> admitted{0};
  std::atomic<int> other{0};
  const auto begin = Clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      lab_.client(static_cast<std::size_t>(i % 2)).network().enter();
      while (Clock::now() < begin + kStorm) {
        const ConnectResult result = connect_to(web_);
        if (result.connected()) {
          ++admitted;
        } else if (result.error != ECONNREFUSED) {
          ++other;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto duration = Clock::now() - begin;

  const int cpus = static_cast<int>(std::thread::hardware_concurrency());
  const int by_rate = static_cast<int>(duration / kInterval);
  // Tokens of the total are taken when a handshake completes. Those that were under way together
  // when the last one went are closed at once: connected, or reset while they connect.
  const RuleStatus web = headgated.rule("web");
  EXPECT_LE(web.admitted, static_cast<std::uint64_t>(kBurst + by_rate + cpus));
  EXPECT_GE(web.admitted, static_cast<std::uint64_t>(kBurst + by_rate * 8 / 10))
      << "tokens were lost";
  EXPECT_EQ(web.admitted + web.overshoot_closed, static_cast<std::uint64_t>(admitted + other));
  EXPECT_LT(web.overshoot_closed, static_cast<std::uint64_t>(kThreads * 10));
  EXPECT_GT(headgated.refused_for("web", "total_rate"), 1000U) << "no storm";
}

}  // namespace
}  // namespace headgate::lab
