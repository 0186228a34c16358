// SPDX-License-Identifier: Apache-2.0
#include "headgate/client.h"

#include <atomic>
#include <stdexcept>

#include "quota/gradient2_limit.h"
#include "served.h"

namespace headgate::client {
namespace {

class ClientTest : public Served {};

TEST_F(ClientTest, SharesItsCountsWithTheDaemon) {
  put({rule("user", rolling(5, 1h, 5))});
  start();
  Client client(options());
  Key alice = client.key({{"user", "alice"}});
  for (std::uint32_t i = 0; i < 3; ++i) {
    const Admission admission = client.try_acquire(alice);
    EXPECT_TRUE(admission);
    EXPECT_EQ(admission.decision().reason, Reason::kWithinLimit);
    EXPECT_EQ(admission.decision().remaining, 4 - i);
    EXPECT_EQ(admission.retry_after(), 0ns);
  }
  EXPECT_EQ(look({{"user", "alice"}}).remaining, 2U);
  EXPECT_EQ(look({{"user", "bob"}}).remaining, 5U);
  quota::Request request;
  request.domain = "api";
  request.descriptors.push_back({{{"user", "alice"}}, std::nullopt, std::nullopt});
  request.hits = 2;
  EXPECT_FALSE(engine->check(request)->is_over);
  const Admission refused = client.try_acquire(alice);
  EXPECT_FALSE(refused);
  EXPECT_EQ(refused.decision().reason, Reason::kLimitReached);
  ASSERT_TRUE(refused.retry_after());
  EXPECT_GT(*refused.retry_after(), 11min);
  EXPECT_LE(*refused.retry_after(), 12min);
  EXPECT_EQ(client.rule(alice), "user");
}

TEST_F(ClientTest, FindsTheRuleAsTheDaemonDoes) {
  config::QuotaRule user = rule("user", per_year(7));
  user.descriptors = {rule("path", per_year(3), "/a*"), rule("path", per_year(2))};
  config::QuotaRule watched = rule("watched", per_year(1));
  watched.shadow_mode = true;
  config::QuotaLimit free;
  free.is_unlimited = true;
  put({user, rule("user", per_year(9), "root"), watched, rule("free", free)});
  start();
  Client client(options());
  const auto remaining = [&](std::initializer_list<Entry> entries) {
    return client.try_acquire(entries, 0).decision().remaining;
  };
  EXPECT_EQ(remaining({{"user", "alice"}}), 7U);
  EXPECT_EQ(remaining({{"user", "root"}}), 9U);
  EXPECT_EQ(remaining({{"user", "alice"}, {"path", "/ab"}}), 3U);
  EXPECT_EQ(remaining({{"user", "alice"}, {"path", "/b"}}), 2U);
  EXPECT_EQ(client.try_acquire({{"user", "a"}, {"path", "/"}, {"x", "y"}}).decision().reason,
            Reason::kNoRule);
  EXPECT_EQ(client.try_acquire({{"other", "a"}}).decision().reason, Reason::kNoRule);
  EXPECT_EQ(client.try_acquire({{"free", "a"}}).decision().reason, Reason::kUnlimited);
  EXPECT_EQ(client.try_acquire({{"watched", "a"}}).decision().reason, Reason::kWithinLimit);
  const Admission over = client.try_acquire({{"watched", "a"}});
  EXPECT_TRUE(over);
  EXPECT_EQ(over.decision().reason, Reason::kNotEnforced);
}

TEST_F(ClientTest, ValuesThatShareAThresholdAreOne) {
  config::QuotaRule all = rule("path", per_year(2), "/a*");
  all.share_threshold = true;
  put({all});
  start();
  Client client(options());
  EXPECT_TRUE(client.try_acquire({{"path", "/a1"}}));
  EXPECT_TRUE(client.try_acquire({{"path", "/a2"}}));
  EXPECT_FALSE(client.try_acquire({{"path", "/a3"}}));
  EXPECT_EQ(look({{"path", "/a4"}}).remaining, 0U);
}

TEST_F(ClientTest, CostsAndLooks) {
  put({rule("user", per_year(10))});
  start();
  Client client(options());
  Key alice = client.key({{"user", "alice"}});
  EXPECT_TRUE(client.try_acquire(alice, 8));
  EXPECT_EQ(client.try_acquire(alice, 0).decision().remaining, 2U);
  EXPECT_EQ(client.try_acquire(alice, 0).decision().remaining, 2U);
  const Admission large = client.try_acquire(alice, 11);
  EXPECT_EQ(large.decision().reason, Reason::kLargerThanLimit);
  EXPECT_EQ(large.retry_after(), std::nullopt);
}

TEST_F(ClientTest, APermitIsGivenBackWithTheAdmission) {
  put({rule("user", at_once(2))});
  start();
  Client client(options());
  Key alice = client.key({{"user", "alice"}});
  {
    Admission first = client.try_acquire(alice);
    EXPECT_TRUE(first.holds_permit());
    EXPECT_EQ(first.decision().remaining, 1U);
    Admission second = client.try_acquire(alice);
    EXPECT_EQ(in_flight("user"), 2U);
    const Admission third = client.try_acquire(alice);
    EXPECT_FALSE(third);
    EXPECT_FALSE(third.holds_permit());
    EXPECT_EQ(third.decision().reason, Reason::kLimitReached);
    const Admission moved = std::move(first);
    EXPECT_EQ(in_flight("user"), 2U);
    second.end();
    EXPECT_EQ(in_flight("user"), 1U);
    second.end();
    second = Admission();
    EXPECT_EQ(in_flight("user"), 1U) << "none comes back twice";
  }
  EXPECT_EQ(in_flight("user"), 0U);
  EXPECT_EQ(client.try_acquire(alice, 0).decision().remaining, 2U);
}

TEST_F(ClientTest, HoldsNoMorePermitsThanItAskedFor) {
  put({rule("user", at_once(100'000))});
  start();
  Options small = options();
  small.max_permits = 1;  // given by the block
  Client client(small);
  Key alice = client.key({{"user", "alice"}});
  std::vector<Admission> held;
  while (true) {
    Admission one = client.try_acquire(alice);
    if (!one) {
      EXPECT_EQ(one.decision().reason, Reason::kNoPermitLeft);
      break;
    }
    held.push_back(std::move(one));
    ASSERT_LE(held.size(), 100'000U);
  }
  EXPECT_EQ(held.size(), 1024U);
  EXPECT_EQ(in_flight("user"), 1024U);
  held.pop_back();
  EXPECT_TRUE(client.try_acquire(alice));
}

TEST_F(ClientTest, FollowsAReload) {
  put({rule("user", per_year(5))});
  start();
  Client client(options());
  Key alice = client.key({{"user", "alice"}});
  EXPECT_TRUE(client.try_acquire(alice, 4));
  put({rule("user", per_year(8))});
  EXPECT_TRUE(
      becomes_true(1s, [&] { return client.try_acquire(alice, 0).decision().remaining > 1; }));
  EXPECT_EQ(client.try_acquire(alice, 0).decision().remaining, 4U) << "what was counted stays";
  put({rule("other", per_year(1))});
  EXPECT_TRUE(becomes_true(
      1s, [&] { return client.try_acquire(alice).decision().reason == Reason::kNoRule; }));
  EXPECT_TRUE(client.status().is_attached);
}

TEST_F(ClientTest, APermitOutlivesTheRulesItWasTakenUnder) {
  put({rule("user", at_once(2))});
  start();
  Client client(options());
  Key alice = client.key({{"user", "alice"}});
  const Admission held = client.try_acquire(alice);
  put({rule("user", at_once(3))});
  EXPECT_TRUE(
      becomes_true(1s, [&] { return client.try_acquire(alice, 0).decision().remaining == 2; }));
}

TEST_F(ClientTest, ADomainThatIsNotThereLimitsNothingUntilItComes) {
  put({rule("user", per_year(1))}, "other");
  start();
  Options closed = options();
  closed.fail_policy = FailPolicy::kClosed;
  Client client(closed);
  Key alice = client.key({{"user", "alice"}});
  EXPECT_EQ(client.try_acquire(alice).decision().reason, Reason::kNoRule);
  EXPECT_FALSE(client.status().is_attached);
  EXPECT_NE(client.status().problem.find("no quota domain"), std::string::npos);
  put({rule("user", per_year(1))});
  EXPECT_TRUE(becomes_true(5s, [&] { return client.status().is_attached; }));
  EXPECT_TRUE(client.try_acquire(alice));
  EXPECT_FALSE(client.try_acquire(alice));
  put({rule("user", per_year(1))}, "other");
  EXPECT_TRUE(becomes_true(
      5s, [&] { return client.try_acquire(alice).decision().reason == Reason::kNoRule; }));
}

TEST_F(ClientTest, AnswersAsTheFailPolicySaysUntilADaemonComes) {
  put({rule("user", per_year(1))});
  Options open = options();
  open.patience = 1ms;
  Options closed = open;
  closed.fail_policy = FailPolicy::kClosed;
  Client trusting(open);
  Client strict(closed);
  Key alice = trusting.key({{"user", "alice"}});
  Key bob = strict.key({{"user", "bob"}});
  EXPECT_TRUE(trusting.try_acquire(alice));
  EXPECT_EQ(trusting.try_acquire(alice).decision().reason, Reason::kNotAttached);
  const Admission refused = strict.try_acquire(bob);
  EXPECT_FALSE(refused);
  EXPECT_EQ(refused.decision().reason, Reason::kNotAttached);
  EXPECT_TRUE(refused.retry_after());
  EXPECT_FALSE(trusting.status().has_rules);
  EXPECT_NE(trusting.status().problem.find(socket), std::string::npos);
  start();
  EXPECT_TRUE(becomes_true(
      5s, [&] { return trusting.status().is_attached && strict.status().is_attached; }));
  EXPECT_EQ(strict.try_acquire(bob).decision().reason, Reason::kWithinLimit);
  EXPECT_FALSE(strict.try_acquire(bob));
}

TEST_F(ClientTest, GoesOnWithoutADaemonAndAttachesToTheNext) {
  put({rule("user", rolling(3, 1h, 3)), rule("slow", at_once(1))});
  start();
  Client client(options());
  Client other(options());
  Key alice = client.key({{"user", "alice"}});
  Key same = other.key({{"user", "alice"}});
  Key slow = client.key({{"slow", "x"}});
  EXPECT_TRUE(client.try_acquire(alice));
  Admission held = client.try_acquire(slow);
  EXPECT_TRUE(held.holds_permit());
  stop();
  EXPECT_TRUE(becomes_true(1s, [&] { return !client.status().is_attached; }));
  EXPECT_TRUE(client.status().has_rules);
  EXPECT_TRUE(other.try_acquire(same));
  EXPECT_TRUE(client.try_acquire(alice));
  EXPECT_FALSE(other.try_acquire(same)) << "they go on sharing their counts";
  EXPECT_FALSE(client.try_acquire(slow));
  start();
  EXPECT_TRUE(becomes_true(5s, [&] { return client.status().attached == 2; }));
  EXPECT_TRUE(client.try_acquire(alice)) << "a new daemon has new counts";
  EXPECT_EQ(look({{"user", "alice"}}).remaining, 2U);
  EXPECT_TRUE(held.holds_permit());
  held.end();
  EXPECT_TRUE(client.try_acquire(slow));
}

TEST_F(ClientTest, WhatWasRefusedWithoutADaemonIsNotToldTheNext) {
  config::QuotaRule address = rule("address", per_year(1));
  address.penalty = config::Penalty{.after = 50, .within = 1min, .deny_for = 10min};
  put({address});
  start();
  Client client(options());
  Key bad = client.key({{"address", "192.0.2.7"}});
  EXPECT_TRUE(client.try_acquire(bad));
  stop();
  EXPECT_TRUE(becomes_true(1s, [&] { return !client.status().is_attached; }));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(client.try_acquire(bad));
  std::this_thread::sleep_for(1500ms);  // longer than it ever waits for the next try
  engine = std::make_unique<quota::Engine>();
  std::atomic<int> offences = 0;
  engine->on_offence([&](const quota::Engine::Offence&) { ++offences; });
  put();
  auto started = doors::MemoryServer::start(socket, *engine);
  ASSERT_TRUE(started);
  server.emplace(*std::move(started));
  EXPECT_TRUE(becomes_true(5s, [&] { return client.status().attached == 2; }));
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(offences, 0);
  EXPECT_EQ(domain().limits.at(0)->tally->refused, 100U) << "the counts are";
}

TEST_F(ClientTest, EndsWithADaemonOrWithout) {
  put({rule("user", at_once(1))});
  start();
  for (int i = 0; i < 3; ++i) {
    Client client(options());
    EXPECT_TRUE(client.try_acquire({{"user", "alice"}}));
  }
  stop();
  Options impatient = options();
  impatient.patience = 0ms;
  const auto begin = std::chrono::steady_clock::now();
  { const Client client(impatient); }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST_F(ClientTest, RefusesOptionsAndKeysThatMakeNoSense) {
  EXPECT_THROW(Client({.domain = ""}), std::invalid_argument);
  EXPECT_THROW(Client({.domain = "a", .socket = ""}), std::invalid_argument);
  EXPECT_THROW(Client({.domain = "a", .socket = std::string(108, 'x')}), std::invalid_argument);
  EXPECT_THROW(Client({.domain = std::string(1025, 'x')}), std::invalid_argument);
  EXPECT_THROW(Client({.domain = "a", .max_permits = 0}), std::invalid_argument);
  EXPECT_THROW(Client({.domain = "a", .max_permits = 65'537}), std::invalid_argument);
  EXPECT_THROW(Client({.domain = "a", .patience = -1ms}), std::invalid_argument);
  put({rule("user", per_year(1))});
  start();
  Client client(options());
  EXPECT_THROW(client.key(std::span<const Entry>()), std::invalid_argument);
  EXPECT_THROW(client.key({{"", "x"}}), std::invalid_argument);
  EXPECT_THROW(client.key(std::vector<Entry>(33, {"a", "b"})), std::invalid_argument);
  EXPECT_EQ(client.try_acquire({{"", "x"}}).decision().reason, Reason::kNoRule);
  EXPECT_EQ(client.try_acquire(std::vector<Entry>(33, {"user", "b"})).decision().reason,
            Reason::kNoRule);
  EXPECT_TRUE(client.try_acquire({{"user", std::string(100'000, 'x')}}));
  EXPECT_FALSE(client.try_acquire({{"user", std::string(100'000, 'x')}}));
}

TEST_F(ClientTest, TellsTheDaemonWhatItHasJudged) {
  config::QuotaRule watched = rule("watched", per_year(1));
  watched.shadow_mode = true;
  put({rule("user", per_year(10)), watched});
  start();
  {
    Client client(options());
    for (int i = 0; i < 12; ++i) static_cast<void>(client.try_acquire({{"user", "alice"}}));
    for (int i = 0; i < 3; ++i) static_cast<void>(client.try_acquire({{"watched", "x"}}));
    static_cast<void>(client.try_acquire({{"user", "alice"}}, 0));
    const auto& limit = *domain().limits.at(0);
    EXPECT_TRUE(becomes_true(3s, [&] { return limit.tally->refused == 2; }));
    EXPECT_EQ(limit.tally->admitted, 10U);
    EXPECT_EQ(limit.tally->near_limit, 2U) << "the ninth and the tenth";
    EXPECT_EQ(domain().limits.at(1)->tally->shadow, 2U);
    EXPECT_TRUE(client.try_acquire({{"user", "bob"}}));
  }
  EXPECT_TRUE(becomes_true(1s, [&] { return domain().limits.at(0)->tally->admitted == 11; }))
      << "the last ones when it ends";
}

TEST_F(ClientTest, APenaltyFollowsItsRefusals) {
  config::QuotaRule address = rule("address", per_year(1));
  address.penalty = config::Penalty{.after = 3, .within = 1min, .deny_for = 10min};
  put({address});
  std::vector<std::string> offences;
  std::mutex mutex;
  start();
  engine->on_offence([&](const quota::Engine::Offence& offence) {
    const std::lock_guard lock(mutex);
    offences.push_back(offence.client.to_string());
  });
  Client client(options());
  Key bad = client.key({{"address", "192.0.2.7"}});
  for (int i = 0; i < 4; ++i) static_cast<void>(client.try_acquire(bad));
  EXPECT_TRUE(becomes_true(3s, [&] {
    const std::lock_guard lock(mutex);
    return !offences.empty();
  }));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(offences, std::vector<std::string>{"192.0.2.7"});
}

TEST_F(ClientTest, AnAdaptiveLimitLearnsFromIt) {
  config::QuotaLimit adaptive;
  adaptive.algorithm = config::QuotaAlgorithm::kGradient2;
  adaptive.floor = 5;
  adaptive.ceiling = 100;
  put({rule("user", adaptive)});
  start();
  Client client(options());
  Key alice = client.key({{"user", "alice"}});
  const auto permits = [&] { return client.try_acquire(alice, 0).decision().remaining; };
  const std::uint32_t before = permits();
  EXPECT_EQ(before, quota::Gradient2Limit::kInitial);
  // Always in time, and most of the permits are used: there may be more of them.
  EXPECT_TRUE(becomes_true(20s, [&] {
    std::vector<Admission> held;
    for (int i = 0; i < 15; ++i) held.push_back(client.try_acquire(alice));
    for (Admission& one : held) one.end({.latency = 1ms});
    std::this_thread::sleep_for(5ms);
    return permits() > before;
  }));
  EXPECT_LE(permits(), 100U);
}

TEST_F(ClientTest, WhoUsesTooMuchTimeIsToBeSilent) {
  put({rule("user", per_year(1))});
  config::ClientQuota quota;
  quota.client = config::ClientQuota::Whom::kDefault;
  quota.time_percent = 10;
  quotas.domains.at(0).clients = {quota};
  start();
  Client client(options());
  client.add_time("", "hungry", 5s);
  client.add_time("", "modest", 1ms);
  client.add_time("", "", 5s);
  EXPECT_TRUE(becomes_true(3s, [&] { return client.throttle("", "hungry") > 0ns; }));
  EXPECT_LE(client.throttle("", "hungry"), 1s);
  EXPECT_EQ(client.throttle("", "modest"), 0ns);
  EXPECT_TRUE(becomes_true(3s, [&] { return client.throttle("", "hungry") == 0ns; }));
  { const TimedRequest timed(client, "", "timed"); }
}

TEST_F(ClientTest, ManyThreadsAndReloads) {
  put({rule("user", at_once(4)), rule("rate", rolling(1'000'000, 1s, 1000))});
  start();
  Client client(options());
  std::atomic<bool> is_over = false;
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      Key alice = client.key({{"user", "alice"}});
      Key rate = client.key({{"rate", "alice"}});
      while (!is_over) {
        static_cast<void>(client.try_acquire(rate));
        const Admission admission = client.try_acquire(alice);
        if (!admission.holds_permit()) continue;
        const int now = ++inside;
        int before = most;
        while (now > before && !most.compare_exchange_weak(before, now)) continue;
        std::this_thread::yield();
        --inside;
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    put({rule("user", at_once(4)), rule("rate", rolling(1'000'000, 1s, 1000 + i % 2))});
    std::this_thread::sleep_for(5ms);
  }
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 4);
  EXPECT_GE(most, 2);
  EXPECT_EQ(in_flight("user"), 0U);
  EXPECT_TRUE(client.status().is_attached);
  EXPECT_EQ(client.status().attached, 1U);
}

}  // namespace
}  // namespace headgate::client
