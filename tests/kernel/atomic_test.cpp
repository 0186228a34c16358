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

// Four threads connect as fast as they can for as long as this lives.
class Load {
 public:
  explicit Load(const Lab& lab) : lab_(lab) {
    start(0, kPort, welcome_[0]);
    start(1, kOtherPort, welcome_[1]);
    start(1, kPort, unwelcome_[0]);
    start(0, kOtherPort, unwelcome_[1]);
  }
  ~Load() { stop(); }

  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  void expect_no_mixed_verdict() {
    stop();
    for (const Tally& tally : welcome_) {
      EXPECT_EQ(tally.refused, 0U);
      EXPECT_GT(tally.admitted, 1000U);
      EXPECT_EQ(tally.other, 0U) << std::strerror(tally.other_error);
    }
    for (const Tally& tally : unwelcome_) {
      EXPECT_EQ(tally.admitted, 0U);
      EXPECT_GT(tally.refused, 1000U);
      EXPECT_EQ(tally.other, 0U) << std::strerror(tally.other_error);
    }
  }

  std::uint64_t verdicts() const {
    return welcome_[0].admitted + welcome_[1].admitted + unwelcome_[0].refused +
           unwelcome_[1].refused;
  }

 private:
  void start(std::size_t client, std::uint16_t port, Tally& tally) {
    threads_.emplace_back([this, client, port, &tally] {
      connect_over_and_over(lab_.client(client), lab_.server_ipv4(port), stop_, tally);
    });
  }

  const Lab& lab_;
  std::atomic<bool> stop_ = false;
  std::array<Tally, 2> welcome_;
  std::array<Tally, 2> unwelcome_;
  std::vector<std::thread> threads_;
};

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
  Load load(lab_);
  const double took = change(headgated, kChanges, 10ms, policy_by_limits);
  load.expect_no_mixed_verdict();
  std::printf("%d changes in %.1f s, %.0f a second; %llu verdicts, none mixed\n", kChanges, took,
              kChanges / took, static_cast<unsigned long long>(load.verdicts()));
  EXPECT_LT(took, 25) << "twenty seconds are the goal, on a machine that others load, too";
  EXPECT_TRUE(counts(headgated, "one", lab_.server(), kPort, 0));
  EXPECT_TRUE(counts(headgated, "two", lab_.server(), kOtherPort, 0));
}

// Few changes: each walks the sockets, which kernels with CVE-2026-74714 do not bear under load.
TEST_F(Atomic, RulesThatExchangeTheirPortsGiveNoMixedVerdict) {
  const Headgated headgated(lab_.server(), policy_by_ports(true));
  Load load(lab_);
  change(headgated, 20, 100ms, policy_by_ports);
  load.expect_no_mixed_verdict();
  EXPECT_TRUE(counts(headgated, "one", lab_.server(), kPort, 0));
  EXPECT_TRUE(counts(headgated, "two", lab_.server(), kOtherPort, 0));
}

}  // namespace
}  // namespace headgate::lab
