// SPDX-License-Identifier: Apache-2.0
// Two policies change places a hundred times a second under load: every verdict is one of theirs.
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

// On kPort a client needs an override to get in, on kOtherPort one without an override gets in.
// What is what depends on the port, the rule and the override together; in the other policy each of
// the three says the opposite, so that any two of one with the third of the other give a wrong
// verdict.
std::string policy(const std::string& closed, const std::string& open) {
  const auto rule = [](const std::string& name, std::uint16_t port, const std::string& limit,
                       const std::string& known) {
    return "  - name: " + name + "\n    listen: [" + std::to_string(port) +
           "]\n    connections: { per_client: " + limit +
           " }\n    overrides: [{ clients: [10.0.1.2, 10.64.0.0/16], connections: { per_client: " +
           known + " } }]\n";
  };
  return "rules:\n" + rule(closed, kPort, "0", "100000") + rule(open, kOtherPort, "100000", "0");
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

TEST(Atomic, AHundredChangesASecondGiveNoMixedVerdict) {
  const Lab lab;
  const Server web(lab.server(), lab.server_ipv4(kPort));
  const Server api(lab.server(), lab.server_ipv4(kOtherPort));
  const std::string first = policy("one", "two");
  const std::string second = policy("two", "one");
  const Headgated headgated(lab.server(), first);

  std::atomic<bool> stop = false;
  Tally known_web;
  Tally known_api;
  Tally unknown_web;
  Tally unknown_api;
  std::vector<std::thread> threads;
  const auto load = [&](std::size_t client, std::uint16_t port, Tally& tally) {
    threads.emplace_back([&, client, port] {
      connect_over_and_over(lab.client(client), lab.server_ipv4(port), stop, tally);
    });
  };
  load(0, kPort, known_web);
  load(0, kOtherPort, known_api);
  load(1, kPort, unknown_web);
  load(1, kOtherPort, unknown_api);

  constexpr int kChanges = 2000;
  constexpr auto kPeriod = std::chrono::milliseconds(10);
  cli::Client control(headgated.socket_path());
  const auto begin = Clock::now();
  int failed = 0;
  std::uint64_t generation = 0;
  for (int i = 0; i < kChanges; ++i) {
    headgated.write_config(i % 2 == 0 ? second : first);
    const auto changed = control.reload();
    if (!changed) {
      ++failed;
      ADD_FAILURE() << changed.error().to_string();
      break;
    }
    generation = changed->generation();
    std::this_thread::sleep_until(begin + (i + 1) * kPeriod);
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  stop = true;
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(failed, 0);
  EXPECT_EQ(generation, 1U + kChanges);
  std::printf("%d changes in %.1f s (%.0f a second); verdicts: %llu admitted, %llu refused\n",
              kChanges, took.count(), kChanges / took.count(),
              static_cast<unsigned long long>(known_web.admitted + unknown_api.admitted),
              static_cast<unsigned long long>(known_api.refused + unknown_web.refused));
  // Twenty seconds are the goal; a noisy machine may take a little longer.
  EXPECT_LT(took.count(), 30);
  EXPECT_EQ(known_web.refused, 0U);
  EXPECT_EQ(known_api.admitted, 0U);
  EXPECT_EQ(unknown_web.admitted, 0U);
  EXPECT_EQ(unknown_api.refused, 0U);
  for (const Tally* tally : {&known_web, &known_api, &unknown_web, &unknown_api}) {
    EXPECT_EQ(tally->other, 0U) << std::strerror(tally->other_error);
  }
  EXPECT_GT(known_web.admitted, 1000U);
  EXPECT_GT(known_api.refused, 1000U);
  EXPECT_GT(unknown_web.refused, 1000U);
  EXPECT_GT(unknown_api.admitted, 1000U);
  EXPECT_TRUE(counts(headgated, "one", lab.server(), kPort, 0));
  EXPECT_TRUE(counts(headgated, "two", lab.server(), kOtherPort, 0));
}

}  // namespace
}  // namespace headgate::lab
