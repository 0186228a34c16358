// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/quota/engine.h"
#include "world.h"

namespace headgate::quota {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

config::QuotaLimit at_once(std::uint32_t requests, milliseconds ttl = milliseconds(0)) {
  config::QuotaLimit limit;
  limit.algorithm = config::QuotaAlgorithm::kConcurrency;
  limit.requests = requests;
  limit.lease_ttl = ttl;
  return limit;
}

class Acquire : public World {
 protected:
  Engine::Acquired take(std::vector<Descriptor> descriptors,
                        std::optional<milliseconds> ttl = std::nullopt) {
    auto acquired = engine.acquire({"api", std::move(descriptors), 1}, ttl);
    EXPECT_TRUE(acquired) << acquired.error().to_string();
    return acquired ? *std::move(acquired) : Engine::Acquired{};
  }
  Engine::Acquired take(const char* user, std::optional<milliseconds> ttl = std::nullopt) {
    return take({Descriptor{{{"user", user}}, {}, {}}}, ttl);
  }
};

TEST_F(Acquire, AdmitsAsManyAtOnceAsTheLimitSays) {
  put({rule("user", at_once(2))});
  const Engine::Acquired first = take("alice");
  EXPECT_TRUE(first.permit.holds_anything());
  EXPECT_EQ(first.decision.verdicts.at(0).remaining, 1U);
  Engine::Acquired second = take("alice");
  EXPECT_FALSE(second.decision.is_over);
  const Engine::Acquired third = take("alice");
  EXPECT_TRUE(third.decision.is_over);
  EXPECT_FALSE(third.permit.holds_anything());
  EXPECT_FALSE(take("bob").decision.is_over);
  second.permit.end({});
  EXPECT_FALSE(take("alice").decision.is_over);
}

TEST_F(Acquire, ACheckOnlyLooks) {
  put({rule("user", at_once(1))});
  EXPECT_FALSE(ask({{"user", "alice"}}).is_over);
  EXPECT_FALSE(ask({{"user", "alice"}}).is_over);
  const Engine::Acquired held = take("alice");
  EXPECT_TRUE(ask({{"user", "alice"}}).is_over);
}

TEST_F(Acquire, AllOrNoneIsTaken) {
  put({rule("user", at_once(2)), rule("path", at_once(1)),
       rule("rolling", rolling(1, seconds(1), 2))});
  const std::vector<Descriptor> all = {
      {{{"user", "alice"}}, {}, {}}, {{{"rolling", "x"}}, {}, {}}, {{{"path", "/"}}, {}, {}}};
  Engine::Acquired held = take(all);
  EXPECT_FALSE(held.decision.is_over);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(take(all).decision.is_over);
  const Engine::Acquired other = take("alice");
  EXPECT_FALSE(other.decision.is_over) << "the refused have given back what they took";
  held.permit.drop();
  EXPECT_EQ(ask({{"rolling", "x"}}).remaining, 0U);
}

TEST_F(Acquire, ALeaseEndsByItself) {
  put({rule("user", at_once(1, seconds(30)))});
  Engine::Acquired held = take("alice");
  pass(29 * kSecond);
  engine.tick();
  EXPECT_TRUE(take("alice").decision.is_over);
  pass(kSecond);
  engine.tick();
  const Engine::Acquired next = take("alice");
  EXPECT_FALSE(next.decision.is_over);
  held.permit.end({});
  EXPECT_TRUE(take("alice").decision.is_over) << "what has ended is not given back again";
}

TEST_F(Acquire, TheCallerMaySayWhenALeaseEnds) {
  put({rule("user", at_once(1))});
  const Engine::Acquired held = take("alice", milliseconds(5));
  pass(kSecond / 100);
  engine.tick();
  EXPECT_FALSE(take("alice").decision.is_over);
}

TEST_F(Acquire, LeasesSurviveAReloadAndTheirDomain) {
  put({rule("user", at_once(1))});
  Engine::Acquired held = take("alice");
  put({rule("user", at_once(2))});
  const Engine::Acquired second = take("alice");
  EXPECT_FALSE(second.decision.is_over);
  EXPECT_TRUE(take("alice").decision.is_over);
  put(domain({}, "elsewhere"));
  held.permit.end({});
}

TEST_F(Acquire, WhatIsNotLimitedSoHoldsNothing) {
  put({rule("path", per_minute(1))});
  const Engine::Acquired acquired = take({Descriptor{{{"path", "/"}}, {}, {}}});
  EXPECT_FALSE(acquired.decision.is_over);
  EXPECT_FALSE(acquired.permit.holds_anything());
  EXPECT_TRUE(take({Descriptor{{{"path", "/"}}, {}, {}}}).decision.is_over) << "but it is counted";
}

TEST_F(Acquire, WhereEveryKeyHasLeasesANewOneIsRefused) {
  config::Quotas quotas = domain({rule("user", at_once(1))});
  quotas.domains[0].max_keys = 16;
  put(quotas);
  std::vector<Engine::Acquired> held;
  for (int i = 0; i < 16; ++i) held.push_back(take(std::to_string(i).c_str()));
  EXPECT_TRUE(take("one more").decision.is_over);
  held.pop_back();
  EXPECT_FALSE(take("one more").decision.is_over);
}

TEST_F(Acquire, ShadowModeAdmitsWithoutAPermit) {
  config::QuotaRule shadow = rule("user", at_once(1));
  shadow.shadow_mode = true;
  put({shadow});
  const Engine::Acquired held = take("alice");
  const Engine::Acquired second = take("alice");
  EXPECT_FALSE(second.decision.is_over);
  EXPECT_TRUE(second.decision.verdicts.at(0).would_be_over);
  EXPECT_FALSE(second.permit.holds_anything());
}

TEST_F(Acquire, NeverAdmitsMoreWhenManyThreadsRace) {
  constexpr int kLimit = 3;
  put({rule("user", at_once(kLimit))});
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) {
        Engine::Acquired acquired = take("alice");
        if (acquired.decision.is_over) continue;
        const int now = ++inside;
        int before = most;
        while (now > before && !most.compare_exchange_weak(before, now)) continue;
        std::this_thread::yield();  // another one's turn, also on one processor
        --inside;
        acquired.permit.end({});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, kLimit);
  EXPECT_GE(most, 2);
  EXPECT_EQ(ask({{"user", "alice"}}).remaining, static_cast<std::uint32_t>(kLimit));
}

class Adaptive : public Acquire {
 protected:
  static config::QuotaLimit adaptive(config::QuotaAlgorithm algorithm, std::uint32_t floor,
                                     std::uint32_t ceiling) {
    config::QuotaLimit limit;
    limit.algorithm = algorithm;
    limit.floor = floor;
    limit.ceiling = ceiling;
    return limit;
  }
};

TEST_F(Adaptive, BeginsWithItsInitialLimitWithinItsBounds) {
  put({rule("user", adaptive(config::QuotaAlgorithm::kAuto, 1, 1'000)),
       rule("path", adaptive(config::QuotaAlgorithm::kGradient2, 1, 5))});
  EXPECT_EQ(ask({{"user", "alice"}}).remaining, 40U);
  EXPECT_EQ(ask({{"path", "/"}}).remaining, 5U);
}

// Requests that take 100 times as long as they did: the limit falls to its floor, for this key
// alone.
TEST_F(Adaptive, LearnsFromHowRequestsWent) {
  put({rule("user", adaptive(config::QuotaAlgorithm::kGradient2, 5, 100))});
  const auto serve = [&](milliseconds latency, int seconds_long) {
    for (int i = 0; i < seconds_long * 100; ++i) {
      std::vector<Engine::Acquired> held;
      while (true) {
        held.push_back(take("alice"));
        if (held.back().decision.is_over) break;
      }
      for (Engine::Acquired& one : held) one.permit.end({latency, false});
      pass(kSecond / 100);
    }
  };
  serve(milliseconds(10), 30);
  const std::uint32_t before = ask({{"user", "alice"}}).remaining;
  serve(milliseconds(1'000), 30);
  const std::uint32_t after = ask({{"user", "alice"}}).remaining;
  EXPECT_GT(before, 20U);
  EXPECT_LT(after, before / 2);
  EXPECT_GE(after, 5U);
  EXPECT_EQ(ask({{"user", "bob"}}).remaining, 20U);
}

}  // namespace
}  // namespace headgate::quota
