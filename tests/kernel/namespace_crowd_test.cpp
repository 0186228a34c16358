// SPDX-License-Identifier: Apache-2.0
// `netns: all` on a host whose users make network namespaces, as many and as odd as they like.
#include "tests/kernel/support.h"
#include "tests/lab/secluded.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr int kLimit = 3;

// sh: as a user without rights, in namespaces of his own; goes on when he has done `what`.
std::string user_does(const std::string& what) {
  return "( setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn sh -c '" + what +
         "; echo done; exec sleep 120' & ) | head -1\n";
}

bool limits(const Headgated& headgated, const std::string& netns) {
  const nlohmann::json status = headgated.status();
  for (const nlohmann::json& name : status.at("namespaces")) {
    if (name == netns) return true;
  }
  return false;
}

// The daemon of the test begins where it sees nobody.
class NamespaceCrowd : public testing::Test {
 protected:
  void SetUp() override { held_ = hold(lab_.client(0), lab_.server_ipv4(kPort), kLimit); }
  void TearDown() override { headgated_.kill(); }

  // Starts again where it sees what `before` (sh) has made.
  void start_after(const std::string& before, const std::string& runner = "") {
    headgated_.kill();
    worlds_.push_back(std::make_unique<Secluded>(lab_.server().network(), before, runner));
    headgated_.start(worlds_.back()->program());
  }
  bool is_logged(const std::string& what) const {
    return headgated_.log().find(what) != std::string::npos;
  }

  Lab lab_;
  Server server_{lab_.server(), lab_.server_ipv4(kPort)};
  std::vector<std::unique_ptr<Secluded>> worlds_;
  Secluded alone_{lab_.server().network()};
  // One rule that drops, so that each namespace is to have a socket for that.
  Headgated headgated_{
      lab_.server(),
      web_rule("per_client: " + std::to_string(kLimit)) +
          "\n  - { name: other, listen: [\"9434\"], on_limit: drop }",
      {.netns = "all", .more = "tables: { namespaces: 4 }", .program = alone_.program()}};
  std::vector<UniqueFd> held_;
};

TEST_F(NamespaceCrowd, OneWithoutAFreePortKeepsTheDaemonFromNothing) {
  start_after(user_does("echo 1-65535 > /proc/sys/net/ipv4/ip_local_reserved_ports"));
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort)));
  EXPECT_TRUE(eventually(3s, [&] { return is_logged("get a reset: cannot listen"); }))
      << headgated_.log();
  EXPECT_EQ(headgated_.run_ctl({"reload"}).status, 0);
}

TEST_F(NamespaceCrowd, OneThatCannotBeEnteredIsLeftOutAndToldOnce) {
  start_after(user_does("true"), "strace -f -qq -o /dev/null -e inject=setns:error=EPERM");
  EXPECT_TRUE(limits(headgated_, "self"));
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort)));
  const std::string said = "is not limited, but tried again: ";
  EXPECT_TRUE(eventually(5s, [&] { return is_logged(said); })) << headgated_.log();
  std::this_thread::sleep_for(4s);
  const std::string log = headgated_.log();
  EXPECT_EQ(log.find(said), log.rfind(said)) << log;
}

// A process that goes to and fro between the daemon's namespace and new ones is somewhere else when
// its namespace is opened than when it was found.
TEST_F(NamespaceCrowd, AProcessThatMovesTakesNoNamespaceWithIt) {
  const TempDir directory;
  const std::string mover = directory.write("mover",
                                            "sleep 0.1\n"
                                            "[ $1 = out ] && exec unshare -n sh $0 in\n"
                                            "exec nsenter --net=/proc/1/ns/net sh $0 out\n");
  start_after("for i in 1 2; do sh " + mover + " out & done",
              "strace -f -qq -o /dev/null -e inject=openat:delay_enter=40000");
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(limits(headgated_, "self")) << headgated_.log();
    EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort)));
    if (HasFailure()) break;
    std::this_thread::sleep_for(500ms);
  }
}

TEST_F(NamespaceCrowd, WhoMakesManyTakesNoPlaceOfTheOperators) {
  std::string crowd;
  for (int i = 0; i < 8; ++i) crowd += user_does("true");
  start_after(crowd +
              "( sleep 3; ip netns add named; exec unshare -n sh -c '\n"
              "echo nameless=$(readlink /proc/self/ns/net) >&2; exec sleep 120' ) &");
  EXPECT_TRUE(limits(headgated_, "self"));
  EXPECT_TRUE(eventually(5s, [&] { return is_logged("more network namespaces than tables"); }));
  EXPECT_TRUE(eventually(10s, [&] { return limits(headgated_, "/run/netns/named"); }))
      << headgated_.log();
  const std::string log = headgated_.log();
  const std::size_t at = log.find("nameless=");
  ASSERT_NE(at, std::string::npos) << log;
  // The link says "net:[4026532008]".
  const std::string nameless = "netns" + log.substr(at + 12, log.find('\n', at) - at - 12);
  EXPECT_TRUE(eventually(5s, [&] { return limits(headgated_, nameless); })) << headgated_.log();
  EXPECT_TRUE(limits(headgated_, "self"));
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort)));
}

TEST_F(NamespaceCrowd, ADirectoryThatCannotBeReadIsNotAnEmptyOne) {
  start_after("ip netns add named",
              "strace -f -qq -o /dev/null -P /run/netns -e inject=openat:error=EMFILE:when=2+");
  EXPECT_TRUE(eventually(3s, [&] { return is_logged("network namespaces at /run/netns"); }));
  std::this_thread::sleep_for(4s);
  EXPECT_TRUE(limits(headgated_, "/run/netns/named")) << headgated_.log();
}

}  // namespace
}  // namespace headgate::lab
