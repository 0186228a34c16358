// SPDX-License-Identifier: Apache-2.0
// Services that are other processes, and what they leave when they die.
#include "tests/lab/process.h"

#include <array>
#include <atomic>
#include <csignal>
#include <random>
#include <thread>

#include "served.h"

namespace headgate::client {
namespace {

constexpr std::uint32_t kLimit = 8;
constexpr int kTries = 3;

class Processes : public Served {
 protected:
  using Ptr = std::unique_ptr<lab::Process>;

  Ptr caller(const std::string& what, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {CLIENT_CALLER_PROGRAM, what, socket};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<lab::Process>(arguments);
  }

  // The permit of a holder that is killed, within 100 ms. A machine that does other things, too,
  // spoils a try or two.
  bool comes_back_in_time() const {
    Client client(options());
    for (int i = 0; i < kTries; ++i) {
      const Ptr holder = caller("hold");
      EXPECT_TRUE(holder->wait_for_output("held", 10s)) << holder->output();
      EXPECT_FALSE(client.try_acquire({{"user", "alice"}}));
      const auto killed = std::chrono::steady_clock::now();
      holder->signal(SIGKILL);
      EXPECT_TRUE(becomes_true(1s, [&] { return bool{client.try_acquire({{"user", "alice"}})}; }));
      if (std::chrono::steady_clock::now() - killed < 100ms) return true;
    }
    return false;
  }
};

TEST_F(Processes, WhatAKilledOneHeldComesBackWithinATenthOfASecond) {
  put({rule("user", at_once(1))});
  start();
  EXPECT_TRUE(comes_back_in_time());
}

// Nor does it wait until those have been heard who do nothing but talk.
TEST_F(Processes, WhatAKilledOneHeldComesBackAlsoWhileOthersTalk) {
  put({rule("user", at_once(1))});
  config::ClientQuota& quota = add({rule("user", at_once(1))}, "other").clients.emplace_back();
  quota.client = config::ClientQuota::Whom::kDefault;
  quota.time_percent = 10;
  start();
  const std::array<Ptr, 2> talking = {caller("flood"), caller("flood")};
  for (const Ptr& one : talking) {
    ASSERT_TRUE(one->wait_for_output("talking", 10s)) << one->output();
  }
  EXPECT_TRUE(comes_back_in_time());
}

TEST_F(Processes, AStoppedOneKeepsItsPermitAndGetsTheNewestRules) {
  put({rule("user", at_once(1))});
  start();
  const Ptr holder = caller("watch");
  ASSERT_TRUE(holder->wait_for_output("held", 10s)) << holder->output();
  holder->signal(SIGSTOP);
  // Each is told by itself, until nothing more goes into the socket.
  Client client(options());
  Key bob = client.key({{"user", "bob"}});
  for (std::uint32_t i = 0; i < 500; ++i) {
    put({rule("user", at_once(11 + i))});
    ASSERT_TRUE(becomes_true(
        2s, [&] { return client.try_acquire(bob, 0).decision().remaining == 11 + i; }));
  }
  EXPECT_EQ(in_flight("user"), 1U);
  holder->signal(SIGCONT);
  EXPECT_TRUE(holder->wait_for_output("509 left", 10s)) << holder->output();
  EXPECT_EQ(in_flight("user"), 1U);
}

// Who is stopped is not dead.
TEST_F(Processes, WhatAStoppedOneHoldsStays) {
  put({rule("user", at_once(1))});
  start();
  Client client(options());
  const Ptr holder = caller("hold");
  ASSERT_TRUE(holder->wait_for_output("held", 10s)) << holder->output();
  holder->signal(SIGSTOP);
  std::this_thread::sleep_for(300ms);
  EXPECT_FALSE(client.try_acquire({{"user", "alice"}}));
  holder->signal(SIGKILL);
  EXPECT_TRUE(becomes_true(1s, [&] { return bool{client.try_acquire({{"user", "alice"}})}; }));
}

TEST_F(Processes, SixtyFourThreadsOfFourThatAreKilledAtRandom) {
  put({rule("user", at_once(kLimit))});
  start();
  const std::string seats = directory.write("seats", std::string(kLimit, '-'));
  std::vector<Ptr> callers;
  for (int i = 0; i < 4; ++i) callers.push_back(caller("crowd", {seats}));
  std::mt19937 random(17);
  int killed = 0;
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (std::chrono::steady_clock::now() < end) {
    Ptr& one = callers.at(random() % callers.size());
    ASSERT_TRUE(one->wait_for_output("here", 10s)) << one->output();
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 50));
    for (const Ptr& each : callers) ASSERT_EQ(each->output().find("too many"), std::string::npos);
    one->signal(SIGKILL);
    ASSERT_EQ(one->wait(5s), 128 + SIGKILL) << one->output();
    ++killed;
    one = caller("crowd", {seats});
  }
  EXPECT_GT(killed, 10);
  for (const Ptr& one : callers) {
    EXPECT_EQ(one->output().find("too many"), std::string::npos);
    one->signal(SIGKILL);
    one->wait(5s);
  }
  EXPECT_TRUE(becomes_true(1s, [&] { return in_flight("user") == 0; }));
  EXPECT_EQ(look({{"user", "alice"}}).remaining, kLimit) << "all of them, and none twice";
  Client client(options());
  std::vector<Admission> held;
  for (std::uint32_t i = 0; i <= kLimit; ++i)
    held.push_back(client.try_acquire({{"user", "alice"}}));
  EXPECT_TRUE(held.at(kLimit - 1));
  EXPECT_FALSE(held.at(kLimit));
}

TEST_F(Processes, AskingMakesNoSystemCall) {
  put({rule("user", at_once(1)), rule("rate", rolling(1'000'000, 1ms, 1'000'000))});
  start();
  const Ptr asking = caller("strict");
  ASSERT_TRUE(asking->wait_for_output("admitted", 20s));
  EXPECT_NE(asking->output().find("admitted 100000"), std::string::npos) << asking->output();
}

TEST_F(Processes, AChildAttachesAnewAndLeavesWhatIsItsParents) {
  put({rule("user", at_once(2))});
  start();
  const Ptr parent = caller("fork");
  ASSERT_TRUE(parent->wait_for_output("parent", 20s));
  EXPECT_NE(parent->output().find("child 0, parent holds"), std::string::npos) << parent->output();
  EXPECT_TRUE(becomes_true(1s, [&] { return in_flight("user") == 1; }));
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(in_flight("user"), 1U);
  // The parent's one, and the child's: nobody tells the other's.
  EXPECT_EQ(domain().limits.at(0)->tally->admitted, 2U);
}

// Whatever the kernel would make wait for that lock, the daemon does not ask.
TEST_F(Processes, ALockOnTheMemorysFileHoldsNobodyUp) {
  put({rule("user", at_once(4))});
  start();
  Client client(options());
  const Ptr holder = caller("lock");
  ASSERT_TRUE(holder->wait_for_output("locked", 10s))
      << "needs root and userfaultfd: " << holder->output();
  std::atomic<bool> has_ended = false;
  std::thread ticking([&] {
    engine->tick();
    has_ended = true;
  });
  EXPECT_TRUE(becomes_true(1s, [&] { return has_ended.load(); }));
  EXPECT_TRUE(client.try_acquire({{"user", "alice"}}).holds_permit());
  holder->signal(SIGKILL);
  ticking.join();
}

TEST_F(Processes, GarbageInADomainHarmsNoOther) {
  put({rule("user", at_once(4)), rule("rate", rolling(1000, 1s, 1000))});
  add({rule("user", at_once(4)), rule("rate", per_year(1'000'000))}, "other");
  start();
  const Ptr writer = caller("garbage");
  ASSERT_TRUE(writer->wait_for_output("writing", 10s));
  Client same(options());
  Client other(options("other"));
  Key key = other.key({{"rate", "alice"}});
  std::uint32_t asked = 0;
  std::chrono::nanoseconds longest{0};
  const auto end = std::chrono::steady_clock::now() + 5s;
  for (std::uint32_t i = 0; std::chrono::steady_clock::now() < end; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string user = "user" + std::to_string(i % 2000);
    static_cast<void>(same.try_acquire({{"user", user}}));
    static_cast<void>(same.try_acquire({{"rate", user}}));
    quota::Request request;
    request.domain = "api";
    request.descriptors.push_back({{{"user", user}}, std::nullopt, std::nullopt});
    request.descriptors.push_back({{{"rate", user}}, std::nullopt, std::nullopt});
    static_cast<void>(engine->acquire(request));
    static_cast<void>(engine->check(request));
    longest = std::max<std::chrono::nanoseconds>(longest, std::chrono::steady_clock::now() - begin);
    if (i % 64 == 0) {
      engine->tick();
      static_cast<void>(engine->top(domain(), 10));
      static_cast<void>(engine->in_flight(domain()));
    }
    EXPECT_TRUE(other.try_acquire(key));
    const Admission permit = other.try_acquire({{"user", "alice"}});
    EXPECT_TRUE(permit.holds_permit());
    ++asked;
  }
  EXPECT_GT(asked, 100U);
  EXPECT_LT(longest, 5s) << "nonsense makes nobody wait";
  EXPECT_EQ(look({{"rate", "alice"}}, "other").remaining, 1'000'000 - asked);
  EXPECT_EQ(in_flight("user", "other"), 0U);
  EXPECT_EQ(engine->keys(domain("other")).keys, 2U);
  writer->signal(SIGKILL);
  writer->wait(5s);
  EXPECT_TRUE(becomes_true(1s, [&] {
    engine->tick();
    return engine->keys(domain()).keys <= 30'000U;
  })) << "counted anew";
}

}  // namespace
}  // namespace headgate::client
