// SPDX-License-Identifier: Apache-2.0
// Network namespaces that the daemon can do less in than it would, or loses sight of.
#include <sys/socket.h>

#include <csignal>

#include "tests/kernel/support.h"
#include "tests/lab/process.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

const char* const kNoPorts = "1-65535";  // for net.ipv4.ip_local_reserved_ports

std::string replying(int per_client) {
  return web_rule("per_client: " + std::to_string(per_client),
                  "on_limit: reply\n    reply: { raw: \"busy\\r\\n\" }");
}

// What a client gets that is refused: the reply, or else nothing.
std::string answer_to(const Lab& lab) {
  const ConnectResult second = lab.client(0).connect(lab.server_ipv4(kPort));
  if (!second.connected()) return "";
  std::string answer(6, ' ');
  const auto has_come = [&] {  // the socket does not block
    return recv(second.socket.get(), answer.data(), answer.size(), 0) == 6;
  };
  return eventually(2s, has_come) ? answer : "";
}

class NamespaceFaults : public testing::Test {
 protected:
  void set_free_ports(bool are_free) const {
    odd_.server().network().set_sysctl("net/ipv4/ip_local_reserved_ports",
                                       are_free ? "\n" : kNoPorts);
  }
  std::string both() const {
    return "[" + lab_.server().network().path() + ", " + odd_.server().network().path() + "]";
  }
  void expect_busy_in(const Lab& lab) const {
    const auto held = hold(lab.client(0), lab.server_ipv4(kPort), 1);
    EXPECT_EQ(answer_to(lab), "busy\r\n");
  }
  // The rule is in force in both; where there is no socket for replies it resets.
  void expect_resets_in_odd(const Headgated& headgated) const {
    expect_busy_in(lab_);
    const auto held = hold(odd_.client(0), odd_.server_ipv4(kPort), 1);
    EXPECT_TRUE(refused(odd_.client(0), odd_.server_ipv4(kPort)));
    const std::string said = "refusals in " + odd_.server().network().path() + " get a reset: ";
    const std::string log = headgated.log();
    const std::size_t first = log.find(said);
    ASSERT_NE(first, std::string::npos) << log;
    EXPECT_EQ(log.find(said, first + 1), std::string::npos) << "said twice: " << log;
  }
  void expect_replies_return() const {
    set_free_ports(true);
    const auto held = hold(odd_.client(0), odd_.server_ipv4(kPort), 1);
    EXPECT_TRUE(eventually(20s, [&] { return answer_to(odd_) == "busy\r\n"; }));
  }

  Lab lab_;
  Lab odd_;
  Server server_{lab_.server(), lab_.server_ipv4(kPort)};
  Server odd_server_{odd_.server(), odd_.server_ipv4(kPort)};
};

TEST_F(NamespaceFaults, AStartWithoutAPortForRepliesInOneOfThem) {
  set_free_ports(false);
  const Headgated headgated(lab_.server(), replying(1), {.netns = both()});
  std::this_thread::sleep_for(3s);  // it is tried again meanwhile
  expect_resets_in_odd(headgated);
  expect_replies_return();
}

TEST_F(NamespaceFaults, AReloadIsDoneAndSaysSo) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 1"), {.netns = both()});
  set_free_ports(false);
  const nlohmann::json report = headgated.reload(replying(1));
  EXPECT_NE(report.at("warnings").dump().find(odd_.server().network().path()), std::string::npos)
      << report;
  expect_resets_in_odd(headgated);
  EXPECT_EQ(headgated.run_ctl({"set", "web", "connections.per_client=1"}).status, 0);
  expect_replies_return();
  EXPECT_EQ(headgated.ctl({"reload"}).at("warnings"), nlohmann::json::array());
}

// /proc/PID/ns/net may be looked at only by a daemon that keeps the right to.
TEST_F(NamespaceFaults, OneThatIsNamedByAProcessIsLimitedUntilTheProcessEnds) {
  Process process({"sleep", "100"}, {.network = &lab_.server().network()});
  const std::string path = "/proc/" + std::to_string(process.pid()) + "/ns/net";
  const auto is_there = [&] {
    return read_file("/proc/" + std::to_string(process.pid()) + "/comm") == "sleep\n";
  };
  ASSERT_TRUE(eventually(2s, is_there));  // and no longer a fork of this one
  const Headgated headgated(lab_.server(), web_rule("per_client: 1"), {.netns = path});
  const auto held = hold(lab_.client(0), lab_.server_ipv4(kPort), 1);
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort)));
  std::this_thread::sleep_for(4s);
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort))) << headgated.log();
  process.signal(SIGKILL);
  const auto is_let_go = [&] { return headgated.log().find("has gone") != std::string::npos; };
  EXPECT_TRUE(process.wait(2s) && eventually(5s, is_let_go)) << headgated.log();
  EXPECT_TRUE(admitted(lab_.client(0), lab_.server_ipv4(kPort)));
}

}  // namespace
}  // namespace headgate::lab
