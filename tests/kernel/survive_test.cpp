// SPDX-License-Identifier: Apache-2.0
// The limits outlive the daemon: it is killed, started again, stopped, replaced by other builds.
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/kernel/trier.h"
#include "tests/lab/error.h"
#include "tests/lab/kernel_objects.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr int kLimit = 5;

std::string limit_web() {
  return web_rule("per_client: " + std::to_string(kLimit));
}

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
            std::this_thread::sleep_for(200us);
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

// A daemon that limits a server, and a client that has all the connections it may have.
class Survives : public testing::Test {
 protected:
  Endpoint web() const { return lab_.server_ipv4(kPort); }
  testing::AssertionResult is_kept_out() const { return refused(lab_.client(0), web()); }

  const Lab lab_;
  const Server server_{lab_.server(), web()};
  Headgated headgated_{lab_.server(), limit_web()};
  std::vector<UniqueFd> held_ = hold(lab_.client(0), web(), kLimit);
};

TEST_F(Survives, AKilledDaemonLeavesTheLimitsAndTheCountsInForce) {
  headgated_.kill();

  EXPECT_TRUE(is_kept_out());
  close_socket(std::move(held_.back()), CloseKind::kFin);
  held_.pop_back();
  const auto has_room = [&] {
    ConnectResult next = lab_.client(0).connect(web());
    if (next.connected()) held_.push_back(std::move(next.socket));
    return next.connected();
  };
  EXPECT_TRUE(eventually(2s, has_room)) << "what closes while no daemon is there is released";
  EXPECT_TRUE(is_kept_out());
  EXPECT_TRUE(admitted(lab_.client(1), web()));

  headgated_.start();
  EXPECT_NE(headgated_.log().find("took over what was in force"), std::string::npos);
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
  EXPECT_EQ(headgated_.rule("web").admitted, kLimit + 2U) << "counters go on, too";
  EXPECT_EQ(headgated_.rule("web").adopted, 0U);
  EXPECT_TRUE(is_kept_out());
}

TEST_F(Survives, KilledAndStartedFiftyTimesUnderLoadNobodySlipsIn) {
  Trier trier(lab_.client(0), web());
  Churn churn(lab_.client(1), web());
  for (int round = 0; round < 50; ++round) {
    headgated_.kill();
    headgated_.start();
  }
  trier.stop();
  churn.stop();
  EXPECT_EQ(trier.wrong(), 0U) << "errno " << trier.last_wrong();
  EXPECT_GT(trier.refused(), 1000U);
  EXPECT_GT(churn.done(), 1000U);
  EXPECT_EQ(churn.failed(), 0U);
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
  EXPECT_EQ(headgated_.run_ctl({"verify"}).status, 0) << headgated_.run_ctl({"verify"}).output;
}

TEST_F(Survives, StoppedWithKeepTheLimitsStayAndDetachRemovesThem) {
  EXPECT_EQ(headgated_.stop(), 0);
  EXPECT_NE(headgated_.log().find("the limits stay in force without the daemon"),
            std::string::npos);
  EXPECT_TRUE(is_kept_out());

  const CommandResult detached =
      run_command({HEADGATECTL_PROGRAM, "detach", "--pin-dir", headgated_.pin_dir()});
  EXPECT_EQ(detached.status, 0) << detached.output;
  EXPECT_NE(detached.output.find("no connection is limited any more"), std::string::npos)
      << detached.output;
  EXPECT_TRUE(admitted(lab_.client(0), web()));
  EXPECT_EQ(sk_lookup_programs(lab_.server().network()), 0U);
  const CommandResult again =
      run_command({HEADGATECTL_PROGRAM, "detach", "--pin-dir", headgated_.pin_dir()});
  EXPECT_EQ(again.status, 0) << again.output;
}

TEST_F(Survives, DetachRefusesWhileADaemonRunsAndNamesIt) {
  const CommandResult detached =
      run_command({HEADGATECTL_PROGRAM, "detach", "--pin-dir", headgated_.pin_dir()});
  EXPECT_EQ(detached.status, 1) << detached.output;
  EXPECT_NE(detached.output.find(std::to_string(headgated_.pid())), std::string::npos)
      << detached.output;
}

TEST(OnStop, DetachLeavesNothing) {
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

TEST_F(Survives, ASecondDaemonOnTheSamePinDirIsRefusedWithTheFirstOnesPid) {
  const CommandResult second = headgated_.start_in_vain();
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.output.find("pid " + std::to_string(headgated_.pid())), std::string::npos)
      << second.output;
  EXPECT_TRUE(is_kept_out());
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
}

TEST_F(Survives, WhatOperatorsDenySurvivesWithItsReason) {
  const std::string client = lab_.client(1).ipv4().to_string();
  headgated_.ctl({"deny", "add", client, "--reason", "abuse of 2026", "--for", "1h"});
  EXPECT_TRUE(refused(lab_.client(1), web()));
  headgated_.kill();
  EXPECT_TRUE(refused(lab_.client(1), web()));
  headgated_.start();
  EXPECT_TRUE(refused(lab_.client(1), web()));
  const nlohmann::json listed = headgated_.ctl({"deny", "list"});
  EXPECT_NE(listed.dump().find("abuse of 2026"), std::string::npos) << listed.dump();
  headgated_.ctl({"deny", "del", client});
  EXPECT_TRUE(admitted(lab_.client(1), web()));
}

TEST_F(Survives, APolicyThatHasChangedWhileTheDaemonWasAwayIsPutInForceAtItsStart) {
  headgated_.kill();
  headgated_.write_config("rules:\n  - { name: other, listen: [\"" + std::to_string(kPort) +
                          "\"], connections: { per_client: 6 } }\n");
  headgated_.start();
  EXPECT_TRUE(counts(headgated_, "other", lab_.server(), kPort, kLimit));
  const auto sixth = hold(lab_.client(0), web(), 1);
  EXPECT_TRUE(is_kept_out());
}

TEST_F(Survives, ABadConfigurationAtTheStartLeavesWhatIsInForce) {
  headgated_.kill();
  headgated_.write_config("rules: [ {name: web, listen: [\"8080\"], typo: 1} ]\n");
  EXPECT_EQ(headgated_.start_in_vain().status, 1);
  EXPECT_TRUE(is_kept_out());
  EXPECT_TRUE(admitted(lab_.client(1), web()));
}

TEST_F(Survives, OtherTableSizesAreMadeAnewFromTheOpenSocketsWithoutAGap) {
  headgated_.ctl({"deny", "add", lab_.client(1).ipv4().to_string(), "--reason", "kept"});
  Trier trier(lab_.client(0), web());
  Trier denied(lab_.client(1), web());
  headgated_.kill();
  headgated_.write_config(limit_web() + "\ntables: { clients: 1000, connections: 5000 }\n");
  headgated_.start();
  std::this_thread::sleep_for(200ms);
  trier.stop();
  denied.stop();
  EXPECT_EQ(trier.wrong(), 0U) << "errno " << trier.last_wrong();
  EXPECT_EQ(denied.wrong(), 0U) << "errno " << denied.last_wrong();
  EXPECT_NE(headgated_.log().find("'tables' has other sizes"), std::string::npos)
      << headgated_.log();
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
  EXPECT_EQ(headgated_.rule("web").adopted, static_cast<std::uint64_t>(kLimit));
  EXPECT_NE(headgated_.ctl({"deny", "list"}).dump().find("kept"), std::string::npos);
  EXPECT_EQ(sk_lookup_programs(lab_.server().network()), 1U) << "the former state is gone";
}

class Upgrade : public Survives {};

TEST_F(Upgrade, AnotherBuildWithTheSameMapsReplacesEachProgramInItsPlace) {
  const KernelObjects before = objects_of(headgated_.pid());
  Trier trier(lab_.client(0), web());
  Churn churn(lab_.client(1), web());
  headgated_.kill();
  headgated_.start(HEADGATED_NEWER_PROGRAM);
  const KernelObjects after = objects_of(headgated_.pid());
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
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
  EXPECT_EQ(headgated_.rule("web").adopted, 0U) << "the counts were not made anew";
  held_.clear();
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, 0));
}

TEST_F(Upgrade, AnotherBuildWithOtherMapsCountsTheOpenSocketsAnewAndThenTakesOver) {
  const KernelObjects before = objects_of(headgated_.pid());
  Trier trier(lab_.client(0), web());
  Churn churn(lab_.client(1), web());
  headgated_.kill();
  headgated_.start(HEADGATED_OTHER_LAYOUT_PROGRAM);
  EXPECT_NE(headgated_.log().find("of another version of headgate"), std::string::npos)
      << headgated_.log();
  std::this_thread::sleep_for(300ms);
  churn.stop();
  trier.stop();
  EXPECT_EQ(trier.wrong(), 0U) << "errno " << trier.last_wrong();
  EXPECT_EQ(churn.failed(), 0U);
  EXPECT_TRUE(eventually(5s, [&] { return still_alive(before).empty(); }))
      << "nothing of the former build is left";
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
  EXPECT_GE(headgated_.rule("web").adopted, static_cast<std::uint64_t>(kLimit));
  // And back again, as a downgrade.
  headgated_.stop();
  headgated_.start();
  EXPECT_TRUE(is_kept_out());
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
  held_.clear();
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, 0));
}

}  // namespace
}  // namespace headgate::lab
