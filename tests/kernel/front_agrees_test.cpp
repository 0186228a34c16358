// SPDX-License-Identifier: Apache-2.0
// The front line says what the authority says: its verdict on a SYN against that of `explain`, the
// judge's own view, on random policies while random connections are open.
#include <linux/bpf.h>

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/kernel/front_lab.h"
#include "tests/kernel/random_world.h"
#include "tests/lab/process.h"

namespace headgate::lab {
namespace {

using namespace frames;

// What the rule does to a SYN that it refuses for `reason`.
std::uint32_t expected_verdict(const policy::Policy& policy, const hg_explanation& said) {
  if (said.rule == HG_NO_RULE || said.exempt != 0 || said.reason == HG_ADMITTED) return XDP_PASS;
  const hg_rule& rule = policy.rules.at(static_cast<policy::RuleId>(said.rule)).limits;
  if (rule.flags & HG_MONITOR) return XDP_PASS;
  return rule.action == HG_ACTION_RESET ? XDP_TX : XDP_DROP;
}

// Limits so low that a few connections reach them, and all that a rule may do about it.
Config make_config(World& world) {
  Config made = world.configuration();
  for (config::Rule& rule : made.rules) {
    if (!world.one_in(3)) rule.connections.per_client = 1 + static_cast<unsigned>(world.below(2));
    if (world.one_in(3)) rule.connections.per_network = 1 + static_cast<unsigned>(world.below(4));
    if (world.one_in(4)) {
      rule.connections.total = 2 + static_cast<unsigned>(world.below(6));
      rule.connections.reserve = 0;
    }
    if (world.one_in(3)) {
      rule.connections = {};
      rule.new_connections.per_client = config::RateLimit{1, std::chrono::hours(1), 1};
    }
    rule.settings.on_limit = world.one_in(2) ? config::OnLimit::kDrop : config::OnLimit::kReset;
    if (world.one_in(6)) rule.settings.mode = config::Mode::kMonitor;
  }
  return made;
}

class FrontAgrees : public testing::Test {
 protected:
  // Every address of the world is this host's, by a route: the kernel tells where it forwards.
  void SetUp() override {
    lab_.network().set_sysctl("net/ipv4/ip_forward", "1");
    lab_.network().set_sysctl("net/ipv6/conf/all/forwarding", "1");
    for (const char* local :
         {"ip route add local 10.0.0.0/8 dev lo", "ip -6 route add local 2001::/16 dev lo"}) {
      must_run({"sh", "-c", local}, {.network = &lab_.network()});
    }
    lab_.inside([this] {
      for (std::uint16_t port = 8001; port <= 8004; ++port) {
        listeners_.push_back(listen_on({must(IpAddress::parse("::")), port}, {.dual_stack = true}));
      }
    });
  }

  std::pair<IpAddress, IpAddress> pair_of_addresses() {
    const IpAddress client = world_.address();
    IpAddress server = world_.address();
    while (server.family() != client.family() || server == client) server = world_.address();
    return {client, server};
  }

  // Some of these are refused: that is a state, too.
  void open_connections(int count) {
    for (int i = 0; i < count; ++i) {
      const auto [client, server] = pair_of_addresses();
      ConnectResult made =
          connect_to({server, world_.port()},
                     {.from = Endpoint{client, 0}, .timeout = std::chrono::milliseconds(20)});
      if (made.connected()) held_.push_back(std::move(made.socket));
      while (UniqueFd accepted = accept_from(listeners_[0], std::chrono::milliseconds(0))) {
        held_.push_back(std::move(accepted));
      }
    }
  }

  void compare(int count) {
    for (int i = 0; i < count; ++i) {
      const auto [client, server] = pair_of_addresses();
      const std::uint16_t port = world_.port();
      const auto said = must(lab_.limiter().explain(lab_.netns_cookie(), client, server, port));
      const Bytes frame = ethernet(ip(client, server, tcp({.from = 999, .to = port})));
      const std::uint32_t expected = expected_verdict(lab_.policy(), said);
      // Twice: the second time what the first one has found is remembered.
      for (int time = 1; time <= 2; ++time) {
        const std::uint32_t verdict = lab_.run(frame).verdict;
        // Beyond its budget of answers the front line is silent.
        if (expected == XDP_TX && verdict == XDP_DROP && answered_ >= kBudget) continue;
        ASSERT_EQ(verdict, expected)
            << client.to_string() << " to " << server.to_string() << " port " << port << ", reason "
            << said.reason << ", exempt " << said.exempt << ", time " << time;
        if (verdict == XDP_TX) ++answered_;
        ++verdicts_[{said.reason, verdict}];
      }
    }
  }

  static constexpr int kBudget = 10'000;
  const std::uint32_t seed_ = std::random_device()();
  World world_{seed_};
  FrontLab lab_{Config()};
  std::vector<UniqueFd> listeners_;
  std::vector<UniqueFd> held_;
  int answered_ = 0;
  std::map<std::pair<std::uint32_t, std::uint32_t>, int> verdicts_;
};

TEST_F(FrontAgrees, OnRandomPoliciesAndStates) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  int policies = 0;
  lab_.inside([&] {
    for (int attempt = 0; policies < 150 && attempt < 1500; ++attempt) {
      const Config config = make_config(world_);
      if (!lab_.try_change(config)) continue;  // two rules claim the same
      ++policies;
      std::vector<Prefix> denied;
      for (int i = world_.below(3); i > 0; --i) denied.push_back(world_.prefix());
      for (const Prefix& cidr : denied) lab_.deny(cidr.to_string());
      lab_.limiter().set_any_denied(!denied.empty());
      held_.clear();
      open_connections(12);
      compare(60);
      if (HasFatalFailure()) return;
      must(lab_.limiter().stop_denying(denied));
      compare(10);
      if (HasFatalFailure()) return;
    }
  });
  EXPECT_EQ(policies, 150);
  for (const std::uint32_t reason : {HG_ADMITTED, HG_CLIENT_CONNECTIONS, HG_NETWORK_CONNECTIONS,
                                     HG_TOTAL_CONNECTIONS, HG_CLIENT_RATE, HG_DENIED}) {
    int seen = 0;
    for (const auto& [key, count] : verdicts_) {
      if (key.first == reason) seen += count;
    }
    EXPECT_GT(seen, 10) << "the random world must show every reason: " << reason;
  }
}

}  // namespace
}  // namespace headgate::lab
