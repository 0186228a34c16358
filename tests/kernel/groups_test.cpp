// SPDX-License-Identifier: Apache-2.0
// Rules that cover whatever ports the processes of a group listen on.
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/cgroup.h"
#include "tests/lab/error.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr std::uint16_t kOther = 8081;
constexpr std::uint16_t kMoved = 8082;

std::string relative(const Cgroup& group) {
  return std::filesystem::relative(group.path(), cgroup2_root()).string();
}

std::string group_rule(const std::string& listen) {
  return "rules:\n  - name: web\n    listen: [" + listen +
         "]\n    connections: { per_client: 2 }\n";
}

// A server in the group, in the lab's server namespace.
std::unique_ptr<Process> serve(const Lab& lab, const Cgroup& group, const std::string& address,
                               std::uint16_t port) {
  auto server = std::make_unique<Process>(
      std::vector<std::string>{LAB_SERVER_PROGRAM, address, std::to_string(port)},
      ProcessOptions{.network = &lab.server().network(), .cgroup = group.path()});
  if (!server->wait_for_output("listening", 5s)) throw LabError(server->output());
  return server;
}

testing::AssertionResult is_limited_for(const Lab& lab, const Host& client, std::uint16_t port) {
  const auto held = hold(client, lab.server_ipv4(port), 2);
  return refused(client, lab.server_ipv4(port));
}

testing::AssertionResult is_limited(const Lab& lab, std::uint16_t port) {
  return is_limited_for(lab, lab.client(0), port);
}

// As the kernel numbers it.
std::uint64_t number_of(const Cgroup& group) {
  struct stat status {};
  check(stat(group.path().c_str(), &status), "stat");
  return status.st_ino;
}

// A process that does nothing as long as this lives.
class Stopped {
 public:
  explicit Stopped(pid_t pid) : pid_(pid) { ::kill(pid, SIGSTOP); }
  ~Stopped() { ::kill(pid_, SIGCONT); }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;

 private:
  pid_t pid_;
};

TEST(Group, CoversWhatItsProcessesListenOnAlreadyAndFromNowOn) {
  const Lab lab;
  const Cgroup group("group");
  const auto before = serve(lab, group, "0.0.0.0", kPort);
  const auto open = hold(lab.client(0), lab.server_ipv4(kPort), 2);
  Headgated headgated(lab.server(), group_rule("{ cgroup: " + relative(group) + " }"));
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_EQ(headgated.rule("web").adopted, 2U);

  const auto after = serve(lab, group, "10.0.0.1", kOther);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kOther))) << "one rule, one client";
  EXPECT_TRUE(admitted(lab.client(1), lab.server_ipv4(kOther)));
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0) << headgated.run_ctl({"verify"}).output;
}

TEST(Group, DoesNotCoverWhatOthersListenOn) {
  const Lab lab;
  const Cgroup group("group");
  const Cgroup other("other");
  const Headgated headgated(lab.server(), group_rule("{ cgroup: " + relative(group) + " }"));
  const auto server = serve(lab, other, "0.0.0.0", kPort);
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 5);
  EXPECT_EQ(headgated.rule("web").connections, 0U);
}

TEST(Group, APortThatIsLetGoIsCoveredNoMore) {
  const Lab lab;
  const Cgroup group("group");
  const Cgroup other("other");
  const Headgated headgated(lab.server(), group_rule("{ cgroup: " + relative(group) + " }"));
  {
    const auto server = serve(lab, group, "0.0.0.0", kPort);
    EXPECT_TRUE(is_limited(lab, kPort));
  }
  std::this_thread::sleep_for(3s);  // the daemon looks each second, and then once more
  const auto server = serve(lab, other, "0.0.0.0", kPort);
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 5);
  EXPECT_EQ(headgated.rule("web").connections, 0U);
}

TEST(Group, WhatItBeginsToListenOnWhileNoDaemonIsThereIsCovered) {
  const Lab lab;
  const Cgroup group("group");
  Headgated headgated(lab.server(), group_rule("{ cgroup: " + relative(group) + " }"));
  headgated.kill();
  const auto server = serve(lab, group, "0.0.0.0", kPort);
  EXPECT_TRUE(is_limited(lab, kPort));
  headgated.start();
  EXPECT_TRUE(is_limited(lab, kPort));
}

TEST(Group, AUnitIsFoundByItsNameAlsoWhenItComesLaterAndComesAgain) {
  const Lab lab;
  const Cgroup slice("test.slice");
  Headgated headgated(lab.server(), group_rule("{ unit: headgate-test.service }"));
  for (int round = 0; round < 2; ++round) {
    const Cgroup unit(slice, "headgate-test.service");
    const auto server = serve(lab, unit, "0.0.0.0", kPort);
    const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 2);
    EXPECT_TRUE(eventually(5s, [&] { return headgated.rule("web").connections == 2; }))
        << "round " << round << headgated.log();
    EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  }
}

// What a group's sockets listen on is known in the kernel for some seconds more.
TEST(Group, AfterTwoReloadsAtOnceItsPortsAreNotThoseOfANewOne) {
  const Lab lab;
  const Cgroup first("first");
  const Cgroup second("second");
  const std::string one = group_rule("{ cgroup: " + relative(first) + " }");
  const std::string other = "rules:\n  - name: none\n    listen: [{ cgroup: " + relative(second) +
                            " }]\n    connections: { per_client: 0 }\n";
  Headgated headgated(lab.server(), one);
  const auto server = serve(lab, first, "0.0.0.0", kPort);
  std::atomic<bool> stop{false};
  int turned_away = 0;
  std::thread churn([&] {
    lab.client(0).network().enter();
    while (!stop) {
      ConnectResult next = connect_to(lab.server_ipv4(kPort));
      if (!next.connected()) ++turned_away;
      if (next.connected()) close_socket(std::move(next.socket), CloseKind::kReset);
    }
  });
  for (int round = 0; round < 8; ++round) {
    headgated.reload("rules: []\n");
    headgated.reload(other);
    headgated.reload(one);
  }
  stop = true;
  churn.join();
  EXPECT_EQ(turned_away, 0);
}

TEST(Group, AUnitIsNotTakenForOneOfTheSameNameInAnotherUnit) {
  const Lab lab;
  const Cgroup manager("user@1000.service");
  const Cgroup slice("test.slice");
  const Cgroup decoy(manager, "headgate-decoy.service");
  const Headgated headgated(lab.server(), group_rule("{ unit: headgate-decoy.service }"));
  const auto other = serve(lab, decoy, "0.0.0.0", kOther);
  const auto held = hold(lab.client(0), lab.server_ipv4(kOther), 5);
  EXPECT_EQ(headgated.rule("web").connections, 0U);

  const Cgroup unit(slice, "headgate-decoy.service");
  const auto server = serve(lab, unit, "0.0.0.0", kPort);
  const auto counted = hold(lab.client(0), lab.server_ipv4(kPort), 2);
  EXPECT_TRUE(eventually(5s, [&] { return headgated.rule("web").connections == 2; }));
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
}

TEST(Group, AUnitKeepsItsRuleWhenThereIsASecondOneOfItsName) {
  const Lab lab;
  const Cgroup first("z.slice");
  const Cgroup second("a.slice");
  const Cgroup unit(first, "headgate-second.service");
  const auto server = serve(lab, unit, "0.0.0.0", kPort);
  const Headgated headgated(lab.server(), group_rule("{ unit: headgate-second.service }"));
  EXPECT_TRUE(is_limited(lab, kPort));

  const Cgroup same(second, "headgate-second.service");
  const std::string warning = "there are 2 cgroups with the name of unit headgate-second.service";
  EXPECT_TRUE(eventually(5s, [&] { return headgated.log().find(warning) != std::string::npos; }))
      << headgated.log();
  EXPECT_NE(headgated.log().find("its rule covers " + unit.path().string()), std::string::npos);
  std::this_thread::sleep_for(3s);  // the daemon looks each second
  EXPECT_TRUE(is_limited(lab, kPort));
  EXPECT_EQ(headgated.log().find(warning), headgated.log().rfind(warning)) << "it says so once";
}

TEST(Group, AnEntryWithAPortGoesBeforeIt) {
  const Lab lab;
  const Cgroup group("group");
  const auto server = serve(lab, group, "0.0.0.0", kPort);
  const Headgated headgated(lab.server(), group_rule("{ cgroup: " + relative(group) + " }") +
                                              "  - name: port\n    listen: [\"" +
                                              std::to_string(kPort) +
                                              "\"]\n    connections: { per_client: 4 }\n");
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 4);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_EQ(headgated.rule("port").connections, 4U);
  EXPECT_EQ(headgated.rule("web").connections, 0U);
}

// What it listened on before lives on in another group, and keeps the former cgroup, and what is
// attached to it, in the kernel.
TEST(Group, WhoseCgroupWasRemovedAndMadeAnewWhileNoDaemonIsThereIsCovered) {
  const Lab lab;
  const Cgroup other("other");
  auto group = std::make_unique<Cgroup>("group");
  Headgated headgated(lab.server(), group_rule("{ cgroup: " + relative(*group) + " }"));
  const auto moved = serve(lab, *group, "10.0.0.1", kMoved);
  EXPECT_TRUE(is_limited(lab, kMoved));
  headgated.kill();
  write_file(other.path() / "cgroup.procs", std::to_string(moved->pid()));
  const std::uint64_t former = number_of(*group);
  group.reset();
  group = std::make_unique<Cgroup>("group");
  ASSERT_NE(number_of(*group), former);
  const auto server = serve(lab, *group, "10.0.0.1", kOther);
  const auto open = hold(lab.client(0), lab.server_ipv4(kOther), 2);

  headgated.start();
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kOther)));
  EXPECT_EQ(headgated.rule("web").connections, 2U);
  // The kernel notes the next port by itself.
  const Stopped stopped(headgated.pid());
  const auto next = serve(lab, *group, "0.0.0.0", kPort);
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort))) << "one rule, one client";
  EXPECT_TRUE(is_limited_for(lab, lab.client(1), kPort));
}

TEST(Group, ThatIsNoneOrNotThereYetIsComplainedOfAndTheOthersAreFollowed) {
  const Lab lab;
  const Cgroup slice("test.slice");
  const std::string later = relative(slice) + "/later";
  const Headgated headgated(lab.server(),
                            group_rule("{ cgroup: cgroup.procs }, { cgroup: " + later + " }, \"" +
                                       std::to_string(kOther) + "\""));
  const Server port(lab.server(), lab.server_ipv4(kOther));
  EXPECT_TRUE(is_limited(lab, kOther)) << headgated.log();

  std::unique_ptr<Cgroup> group;
  std::unique_ptr<Process> server;
  std::vector<UniqueFd> open;
  {
    // It listens, and has clients, before the daemon finds it.
    const Stopped stopped(headgated.pid());
    group = std::make_unique<Cgroup>(slice, "later");
    server = serve(lab, *group, "0.0.0.0", kPort);
    open = hold(lab.client(0), lab.server_ipv4(kPort), 2);
  }
  EXPECT_TRUE(eventually(5s, [&] { return headgated.rule("web").connections == 2; }))
      << headgated.log();
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  const std::string log = headgated.log();
  const auto complaint = log.find("cgroup.procs");
  ASSERT_NE(complaint, std::string::npos) << log;
  EXPECT_EQ(log.find("cgroup.procs", complaint + 20), std::string::npos) << "not once: " << log;
}

}  // namespace
}  // namespace headgate::lab
