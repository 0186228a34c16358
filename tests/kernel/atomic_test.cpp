// SPDX-License-Identifier: Apache-2.0
// Two policies change places under load: every verdict is one of theirs.
#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "cli/client.h"
#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kOtherPort = kPort + 1;

// All policies here say the same: on kPort client 0 gets in and client 1 does not, on kOtherPort it
// is the other way round. They say it in opposite words, so that any part of one with any part of
// another says something that none of them says.
std::string rule(const std::string& name, std::uint16_t port, const std::string& limit,
                 const std::string& exception, const std::string& its_limit) {
  return "  - name: " + name + "\n    listen: [" + std::to_string(port) +
         "]\n    connections: { per_client: " + limit + " }\n    overrides: [{ clients: [" +
         exception + "], connections: { per_client: " + its_limit + " } }]\n";
}

// The limit is in the rule, the exception is another client.
std::string policy_by_limits(bool is_first) {
  if (is_first) {
    return "rules:\n" + rule("one", kPort, "0", "10.0.1.2", "100000") +
           rule("two", kOtherPort, "100000", "10.0.1.2", "0");
  }
  return "rules:\n" + rule("one", kPort, "100000", "10.0.2.2", "0") +
         rule("two", kOtherPort, "0", "10.0.2.2", "100000");
}

// The rules exchange their ports.
std::string policy_by_ports(bool is_first) {
  return "rules:\n" + rule(is_first ? "one" : "two", kPort, "0", "10.0.1.2", "100000") +
         rule(is_first ? "two" : "one", kOtherPort, "100000", "10.0.1.2", "0");
}

struct Tally {
  std::atomic<std::uint64_t> admitted = 0;
  std::atomic<std::uint64_t> refused = 0;
  std::atomic<std::uint64_t> other = 0;  // neither: a connection was lost
  std::atomic<int> other_error = 0;      // the last one's
};

// Connects and closes until told to stop.
void connect_over_and_over(const Host& client, const Endpoint& to, const std::atomic<bool>& stop,
                           Tally& tally) {
  client.network().run([&] {
    while (!stop) {
      ConnectResult result = connect_to(to);
      if (result.connected()) {
        ++tally.admitted;
        close_socket(std::move(result.socket), CloseKind::kReset);
      } else {
        ++(result.error == ECONNREFUSED ? tally.refused : tally.other);
        if (result.error != ECONNREFUSED) tally.other_error = result.error;
      }
    }
  });
}

// Who connects where, and whether every policy of the test lets it in.
struct Visitor {
  std::size_t client;
  std::uint16_t port;
  bool is_welcome;
};

// Each of them connects as fast as it can for as long as this lives.
class Load {
 public:
  Load(const Lab& lab, const std::vector<Visitor>& visitors)
      : visitors_(visitors), tallies_(visitors.size()) {
    for (std::size_t i = 0; i < visitors_.size(); ++i) {
      threads_.emplace_back([this, &lab, i] {
        connect_over_and_over(lab.client(visitors_[i].client), lab.server_ipv4(visitors_[i].port),
                              stop_, tallies_[i]);
      });
    }
  }
  ~Load() { stop(); }

  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  void expect_no_mixed_verdict(std::uint64_t at_least = 1000) {
    stop();
    for (std::size_t i = 0; i < visitors_.size(); ++i) {
      const Tally& tally = tallies_[i];
      SCOPED_TRACE("client " + std::to_string(visitors_[i].client) + " on port " +
                   std::to_string(visitors_[i].port));
      EXPECT_EQ(visitors_[i].is_welcome ? tally.refused : tally.admitted, 0U);
      EXPECT_GT(visitors_[i].is_welcome ? tally.admitted : tally.refused, at_least);
      EXPECT_EQ(tally.other, 0U) << std::strerror(tally.other_error);
    }
  }

  std::uint64_t verdicts() const {
    std::uint64_t sum = 0;
    for (const Tally& tally : tallies_) sum += tally.admitted + tally.refused;
    return sum;
  }

 private:
  const std::vector<Visitor> visitors_;
  std::atomic<bool> stop_ = false;
  std::vector<Tally> tallies_;
  std::vector<std::thread> threads_;
};

const std::vector<Visitor> kVisitors = {
    {0, kPort, true}, {1, kOtherPort, true}, {1, kPort, false}, {0, kOtherPort, false}};

class Atomic : public testing::Test {
 protected:
  // Reloads `count` times, at most once a `period`. Returns how long it took, in seconds.
  static double change(const Headgated& headgated, int count, std::chrono::milliseconds period,
                       std::string (*policy)(bool)) {
    cli::Client control(headgated.socket_path());
    const auto begin = Clock::now();
    for (int i = 0; i < count; ++i) {
      headgated.write_config(policy(i % 2 != 0));
      const auto changed = control.reload();
      if (!changed) {
        ADD_FAILURE() << changed.error().to_string();
        break;
      }
      EXPECT_EQ(changed->generation(), 2U + static_cast<unsigned>(i));
      std::this_thread::sleep_until(begin + (i + 1) * period);
    }
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  const Lab lab_;
  const Server web_{lab_.server(), lab_.server_ipv4(kPort)};
  const Server api_{lab_.server(), lab_.server_ipv4(kOtherPort)};
};

TEST_F(Atomic, AHundredChangesASecondGiveNoMixedVerdict) {
  constexpr int kChanges = 2000;
  const Headgated headgated(lab_.server(), policy_by_limits(true));
  Load load(lab_, kVisitors);
  const double took = change(headgated, kChanges, 10ms, policy_by_limits);
  load.expect_no_mixed_verdict();
  std::printf("%d changes in %.1f s, %.0f a second; %llu verdicts, none mixed\n", kChanges, took,
              kChanges / took, static_cast<unsigned long long>(load.verdicts()));
  EXPECT_LT(took, 25) << "twenty seconds are the goal, on a machine that others load, too";
  EXPECT_TRUE(counts(headgated, "one", lab_.server(), kPort, 0));
  EXPECT_TRUE(counts(headgated, "two", lab_.server(), kOtherPort, 0));
}

TEST_F(Atomic, RulesThatExchangeTheirPortsGiveNoMixedVerdict) {
  const Headgated headgated(lab_.server(), policy_by_ports(true));
  Load load(lab_, kVisitors);
  change(headgated, 20, 100ms, policy_by_ports);
  load.expect_no_mixed_verdict();
  EXPECT_TRUE(counts(headgated, "one", lab_.server(), kPort, 0));
  EXPECT_TRUE(counts(headgated, "two", lab_.server(), kOtherPort, 0));
}

// One denies client 0 and exempts it, the other does neither; both deny client 1.
std::string policy_by_denial(bool is_first) {
  std::string denied = "10.0.2.0/24";
  // So many that writing them one after the other would take a while.
  for (int i = 0; i < 3000; ++i) {
    denied += ", 100.64." + std::to_string(i / 250) + "." + std::to_string(i % 250);
  }
  const std::string rules = "rules: [{ name: web, listen: [" + std::to_string(kPort) + "] }]\n";
  if (is_first) {
    return rules + "clients: { exempt: [10.0.1.0/24], deny: [10.0.1.0/24, " + denied + "] }\n";
  }
  return rules + "clients: { deny: [10.0.2.2] }\n";
}

TEST_F(Atomic, DeniedAndExemptClientsChangeTogether) {
  const Headgated headgated(lab_.server(), policy_by_denial(true));
  Load load(lab_, {{0, kPort, true}, {1, kPort, false}});
  change(headgated, 60, 50ms, policy_by_denial);
  load.expect_no_mixed_verdict();
}

// The rule that gets the other's port is full by that one's count, until connections are counted
// anew.
TEST_F(Atomic, ARuleRefusesNobodyForConnectionsThatAreAnotherRules) {
  const auto policy = [](bool is_first) {
    const auto one = [](const char* name, std::uint16_t port) {
      return std::string("  - { name: ") + name + ", listen: [" + std::to_string(port) +
             "], connections: { total: 5 } }\n";
    };
    return "rules:\n" + one(is_first ? "a" : "b", kPort) + one(is_first ? "b" : "a", kOtherPort);
  };
  const Headgated headgated(lab_.server(), policy(true));
  const auto held = hold(lab_.client(1), lab_.server_ipv4(kOtherPort), 5);
  Load load(lab_, {{0, kPort, true}});
  change(headgated, 40, 50ms, policy);
  load.expect_no_mixed_verdict(100);
  EXPECT_EQ(headgated.rule("a").overshoot_closed + headgated.rule("b").overshoot_closed, 0U);
  EXPECT_FALSE(closed_by_peer(held.front(), 0ms));
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kOtherPort))) << "full again";
}

}  // namespace
}  // namespace headgate::lab
