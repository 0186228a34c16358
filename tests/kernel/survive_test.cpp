// SPDX-License-Identifier: Apache-2.0
// The limits outlive the daemon: it is killed, started again, stopped, replaced by other builds.
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/error.h"
#include "tests/lab/kernel_objects.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr int kLimit = 5;

std::string limit_web() {
  return web_rule("per_client: " + std::to_string(kLimit));
}

// A client that is at its limit tries to connect, again and again: each attempt must be refused.
class Trier {
 public:
  Trier(const Host& client, const Endpoint& to)
      : thread_([this, &client, to] {
          client.network().enter();
          while (!stop_) {
            const ConnectResult result = connect_to(to);
            ++(result.error == ECONNREFUSED ? refused_ : wrong_);
            if (result.error != ECONNREFUSED) last_wrong_ = result.error;
          }
        }) {}
  ~Trier() { stop(); }

  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t wrong() const { return wrong_; }
  int last_wrong() const { return last_wrong_; }  // errno; 0: connected

 private:
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> wrong_{0};
  std::atomic<int> last_wrong_{0};
  std::thread thread_;
};

// Another client that connects and closes all the time.
class Churn {
 public:
  Churn(const Host& client, const Endpoint& to)
      : thread_([this, &client, to] {
          client.network().enter();
          while (!stop_) {
            ConnectResult result = connect_to(to);
            ++(result.connected() ? done_ : failed_);
            if (result.connected()) close_socket(std::move(result.socket), CloseKind::kReset);
          }
        }) {}
  ~Churn() { stop(); }

  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::uint64_t done() const { return done_; }
  std::uint64_t failed() const { return failed_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::thread thread_;
};

TEST(Survives, AKilledDaemonLeavesTheLimitsAndTheCountsInForce) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), limit_web());
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  headgated.kill();

  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  close_socket(std::move(held.back()), CloseKind::kFin);
  held.pop_back();
  const auto has_room = [&] {
    ConnectResult next = lab.client(0).connect(lab.server_ipv4(kPort));
    if (next.connected()) held.push_back(std::move(next.socket));
    return next.connected();
  };
  EXPECT_TRUE(eventually(2s, has_room)) << "what closes while no daemon is there is released";
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_TRUE(admitted(lab.client(1), lab.server_ipv4(kPort)));

  headgated.start();
  EXPECT_NE(headgated.log().find("took over what was in force"), std::string::npos);
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, kLimit));
  EXPECT_EQ(headgated.rule("web").admitted, kLimit + 2U) << "counters go on, too";
  EXPECT_EQ(headgated.rule("web").adopted, 0U);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
}

TEST(Survives, KilledAndStartedFiftyTimesUnderLoadNobodySlipsIn) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), limit_web());
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  Trier trier(lab.client(0), lab.server_ipv4(kPort));
  Churn churn(lab.client(1), lab.server_ipv4(kPort));
  for (int round = 0; round < 50; ++round) {
    headgated.kill();
    headgated.start();
  }
  trier.stop();
  churn.stop();
  EXPECT_EQ(trier.wrong(), 0U) << "errno " << trier.last_wrong();
  EXPECT_GT(trier.refused(), 1000U);
  EXPECT_GT(churn.done(), 1000U);
  EXPECT_EQ(churn.failed(), 0U);
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, kLimit));
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0) << headgated.run_ctl({"verify"}).output;
}

TEST(Survives, StoppedWithKeepTheLimitsStayAndDetachRemovesThem) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), limit_web());
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  EXPECT_EQ(headgated.stop(), 0);
  EXPECT_NE(headgated.log().find("the limits stay in force without the daemon"), std::string::npos);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));

  const CommandResult detached =
      run_command({HEADGATECTL_PROGRAM, "detach", "--pin-dir", headgated.pin_dir()});
  EXPECT_EQ(detached.status, 0) << detached.output;
  EXPECT_NE(detached.output.find("no connection is limited any more"), std::string::npos)
      << detached.output;
  EXPECT_TRUE(admitted(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_EQ(sk_lookup_programs(lab.server().network()), 0U);
  const CommandResult again =
      run_command({HEADGATECTL_PROGRAM, "detach", "--pin-dir", headgated.pin_dir()});
  EXPECT_EQ(again.status, 0) << again.output;
}

TEST(Survives, DetachRefusesWhileADaemonRunsAndNamesIt) {
  const Lab lab;
  const Headgated headgated(lab.server(), limit_web());
  const CommandResult detached =
      run_command({HEADGATECTL_PROGRAM, "detach", "--pin-dir", headgated.pin_dir()});
  EXPECT_EQ(detached.status, 1) << detached.output;
  EXPECT_NE(detached.output.find(std::to_string(headgated.pid())), std::string::npos)
      << detached.output;
}

TEST(Survives, StoppedWithDetachNothingIsLeft) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), limit_web(), {.more = "on_stop: detach"});
  const KernelObjects objects = objects_of(headgated.pid());
  ASSERT_FALSE(objects.empty());
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  EXPECT_EQ(headgated.stop(), 0);
  EXPECT_NE(headgated.log().find("the limits are removed"), std::string::npos);
  EXPECT_TRUE(admitted(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_TRUE(eventually(5s, [&] { return still_alive(objects).empty(); }));
}

TEST(Survives, ASecondDaemonOnTheSamePinDirIsRefusedWithTheFirstOnesPid) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(), limit_web());
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  const CommandResult second = headgated.start_in_vain();
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.output.find("pid " + std::to_string(headgated.pid())), std::string::npos)
      << second.output;
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, kLimit));
}

TEST(Survives, WhatOperatorsDenySurvivesWithItsReason) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), limit_web());
  const std::string client = lab.client(0).ipv4().to_string();
  headgated.ctl({"deny", "add", client, "--reason", "abuse of 2026", "--for", "1h"});
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  headgated.kill();
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  headgated.start();
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  const nlohmann::json listed = headgated.ctl({"deny", "list"});
  EXPECT_NE(listed.dump().find("abuse of 2026"), std::string::npos) << listed.dump();
  headgated.ctl({"deny", "del", client});
  EXPECT_TRUE(admitted(lab.client(0), lab.server_ipv4(kPort)));
}

TEST(Survives, APolicyThatHasChangedWhileTheDaemonWasAwayIsPutInForceAtItsStart) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), limit_web());
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  headgated.kill();
  headgated.write_config("rules:\n  - { name: other, listen: [\"" + std::to_string(kPort) +
                         "\"], connections: { per_client: 6 } }\n");
  headgated.start();
  EXPECT_TRUE(counts(headgated, "other", lab.server(), kPort, kLimit));
  const auto sixth = hold(lab.client(0), lab.server_ipv4(kPort), 1);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
}

TEST(Survives, ABadConfigurationAtTheStartLeavesWhatIsInForce) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), limit_web());
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  headgated.kill();
  headgated.write_config("rules: [ {name: web, listen: [\"8080\"], typo: 1} ]\n");
  EXPECT_EQ(headgated.start_in_vain().status, 1);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_TRUE(admitted(lab.client(1), lab.server_ipv4(kPort)));
}

TEST(Survives, OtherTableSizesAreMadeAnewFromTheOpenSocketsWithoutAGap) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), limit_web());
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  headgated.ctl({"deny", "add", lab.client(1).ipv4().to_string(), "--reason", "kept"});
  Trier trier(lab.client(0), lab.server_ipv4(kPort));
  Trier denied(lab.client(1), lab.server_ipv4(kPort));
  headgated.kill();
  headgated.write_config(limit_web() + "\ntables: { clients: 1000, connections: 5000 }\n");
  headgated.start();
  std::this_thread::sleep_for(200ms);
  trier.stop();
  denied.stop();
  EXPECT_EQ(trier.wrong(), 0U) << "errno " << trier.last_wrong();
  EXPECT_EQ(denied.wrong(), 0U) << "errno " << denied.last_wrong();
  EXPECT_NE(headgated.log().find("'tables' has other sizes"), std::string::npos) << headgated.log();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, kLimit));
  EXPECT_EQ(headgated.rule("web").adopted, static_cast<std::uint64_t>(kLimit));
  EXPECT_NE(headgated.ctl({"deny", "list"}).dump().find("kept"), std::string::npos);
  EXPECT_EQ(sk_lookup_programs(lab.server().network()), 1U) << "the former state is gone";
}

TEST(Upgrade, AnotherBuildWithTheSameMapsReplacesEachProgramInItsPlace) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), limit_web());
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  const KernelObjects before = objects_of(headgated.pid());
  Trier trier(lab.client(0), lab.server_ipv4(kPort));
  Churn churn(lab.client(1), lab.server_ipv4(kPort));
  headgated.kill();
  headgated.start(HEADGATED_NEWER_PROGRAM);
  const KernelObjects after = objects_of(headgated.pid());
  std::this_thread::sleep_for(300ms);
  churn.stop();
  trier.stop();
  EXPECT_EQ(trier.wrong(), 0U) << "errno " << trier.last_wrong();
  EXPECT_EQ(churn.failed(), 0U);
  // The links that can be turned to another program are the same, the programs are others.
  std::set<std::uint32_t> kept;
  for (const std::uint32_t link : before.links) {
    if (after.links.count(link) > 0) kept.insert(link);
  }
  EXPECT_GE(kept.size(), 2U) << "sk_lookup and sock_ops";
  EXPECT_TRUE(eventually(5s, [&] {
    return still_alive({before.programs, {}, {}}).empty();
  })) << "no program of the former build is left";
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, kLimit));
  EXPECT_EQ(headgated.rule("web").adopted, 0U) << "the counts were not made anew";
  held.clear();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
}

TEST(Upgrade, AnotherBuildWithOtherMapsCountsTheOpenSocketsAnewAndThenTakesOver) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), limit_web());
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  const KernelObjects before = objects_of(headgated.pid());
  Trier trier(lab.client(0), lab.server_ipv4(kPort));
  Churn churn(lab.client(1), lab.server_ipv4(kPort));
  headgated.kill();
  headgated.start(HEADGATED_OTHER_LAYOUT_PROGRAM);
  EXPECT_NE(headgated.log().find("of another version of headgate"), std::string::npos)
      << headgated.log();
  std::this_thread::sleep_for(300ms);
  churn.stop();
  trier.stop();
  EXPECT_EQ(trier.wrong(), 0U) << "errno " << trier.last_wrong();
  EXPECT_EQ(churn.failed(), 0U);
  EXPECT_TRUE(eventually(5s, [&] { return still_alive(before).empty(); }))
      << "nothing of the former build is left";
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, kLimit));
  EXPECT_GE(headgated.rule("web").adopted, static_cast<std::uint64_t>(kLimit));
  // And back again, as a downgrade.
  headgated.stop();
  headgated.start();
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, kLimit));
  held.clear();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
}

}  // namespace
}  // namespace headgate::lab
