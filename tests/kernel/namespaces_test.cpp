// SPDX-License-Identifier: Apache-2.0
// Several network namespaces under one policy.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/error.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

std::string both(const Lab& a, const Lab& b) {
  return "[" + a.server().network().path() + ", " + b.server().network().path() + "]";
}

int count_in(const std::string& text, const std::string& what) {
  int count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

std::uint64_t connections_in(const Headgated& headgated, const std::string& netns,
                             const std::string& client) {
  const nlohmann::json all = headgated.clients();
  for (const nlohmann::json& one : all.at("clients")) {
    if (one.at("netns") == netns && one.at("prefix") == client) return one.at("connections");
  }
  return 0;
}

// Two labs have the same addresses: 10.0.1.2 is a client of each.
TEST(Namespaces, ClientsWithTheSameAddressAreCountedApart) {
  const Lab a;
  const Lab b;
  const Server server_a(a.server(), a.server_ipv4(kPort));
  const Server server_b(b.server(), b.server_ipv4(kPort));
  const Headgated headgated(a.server(), web_rule("per_client: 3, total: 4"), {.netns = both(a, b)});
  auto held_a = hold(a.client(0), a.server_ipv4(kPort), 3);
  auto held_b = hold(b.client(0), b.server_ipv4(kPort), 2);
  EXPECT_TRUE(refused(a.client(0), a.server_ipv4(kPort)));
  held_b.push_back(std::move(hold(b.client(0), b.server_ipv4(kPort), 1).front()));
  EXPECT_TRUE(refused(b.client(0), b.server_ipv4(kPort)));
  // The total is of each namespace, too.
  const auto fourth_a = hold(a.client(1), a.server_ipv4(kPort), 1);
  const auto fourth_b = hold(b.client(1), b.server_ipv4(kPort), 1);
  EXPECT_TRUE(refused(a.client(1), a.server_ipv4(kPort)));
  EXPECT_TRUE(refused(b.client(1), b.server_ipv4(kPort)));

  const std::string name_a = a.server().network().path();
  const std::string name_b = b.server().network().path();
  EXPECT_EQ(connections_in(headgated, name_a, "10.0.1.2"), 3U);
  EXPECT_EQ(connections_in(headgated, name_b, "10.0.1.2"), 3U);
  EXPECT_EQ(headgated.rule("web").connections, 8U);
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0);

  held_a.clear();
  EXPECT_TRUE(eventually(3s, [&] { return connections_in(headgated, name_a, "10.0.1.2") == 0; }));
  EXPECT_EQ(connections_in(headgated, name_b, "10.0.1.2"), 3U);
  EXPECT_TRUE(admitted(a.client(0), a.server_ipv4(kPort)));
  EXPECT_TRUE(refused(b.client(0), b.server_ipv4(kPort)));
}

// Its connections are counted anew when one comes: those of the others that end meanwhile are not.
TEST(Namespaces, OneThatComesDisturbsNoClientOfAnother) {
  constexpr int kHeld = 10;
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const std::string path = "/run/netns/hg-" + std::to_string(getpid()) + "-comes";
  const Headgated headgated(lab.server(), web_rule("per_client: " + std::to_string(kHeld + 1)),
                            {.netns = "[" + lab.server().network().path() + ", " + path + "]"});
  std::atomic<bool> stop{false};
  int refusals = 0;
  int connected = 0;
  std::thread churn([&] {
    lab.client(0).network().enter();
    std::deque<UniqueFd> held;
    while (!stop) {
      if (held.size() == kHeld) {
        close_socket(std::move(held.front()), CloseKind::kReset);
        held.pop_front();
      }
      ConnectResult next = connect_to(lab.server_ipv4(kPort));
      ++(next.connected() ? connected : refusals);
      if (next.connected()) held.push_back(std::move(next.socket));
    }
  });
  for (int round = 1; round <= 5; ++round) {
    const NetworkNamespace comes("comes");
    const std::string said = path + " is limited from now on";
    EXPECT_TRUE(eventually(10s, [&] { return count_in(headgated.log(), said) == round; }));
  }
  stop = true;
  churn.join();
  EXPECT_EQ(refusals, 0) << "of " << connected;
  EXPECT_EQ(headgated.rule("web").overshoot_closed, 0U);
}

TEST(Namespaces, ExplainAndEvictKnowWhichOne) {
  const Lab a;
  const Lab b;
  const Server server_a(a.server(), a.server_ipv4(kPort));
  const Server server_b(b.server(), b.server_ipv4(kPort));
  const Headgated headgated(a.server(), web_rule("per_client: 3"), {.netns = both(a, b)});
  const auto held = hold(b.client(0), b.server_ipv4(kPort), 3);
  const auto verdict = [&](const Lab& lab) {
    return headgated
        .ctl({"explain", "10.0.1.2", "--port", std::to_string(kPort), "--netns",
              lab.server().network().path()})
        .at("explanations")
        .at(0);
  };
  EXPECT_EQ(verdict(a).at("per_client").at("connections"), 0);
  EXPECT_EQ(verdict(b).at("per_client").at("connections"), 3);
  EXPECT_EQ(verdict(b).at("reason"), "client_connections");
  EXPECT_EQ(headgated.ctl({"evict", "10.0.1.2"}).at("closed"), 3);
  EXPECT_TRUE(eventually(3s, [&] { return headgated.rule("web").connections == 0; }));
}

TEST(Namespaces, WithSharedCountsAClientIsOneClientInAllOfThem) {
  const Lab a;
  const Lab b;
  const Server server_a(a.server(), a.server_ipv4(kPort));
  const Server server_b(b.server(), b.server_ipv4(kPort));
  const Headgated headgated(a.server(), web_rule("per_client: 3"),
                            {.netns = both(a, b), .more = "share_across_netns: true"});
  const auto held_a = hold(a.client(0), a.server_ipv4(kPort), 2);
  auto held_b = hold(b.client(0), b.server_ipv4(kPort), 1);
  EXPECT_TRUE(refused(a.client(0), a.server_ipv4(kPort)));
  EXPECT_TRUE(refused(b.client(0), b.server_ipv4(kPort)));
  held_b.clear();
  EXPECT_TRUE(eventually(3s, [&] { return headgated.rule("web").connections == 2; }));
  EXPECT_TRUE(admitted(b.client(0), b.server_ipv4(kPort)));
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0);
}

TEST(Namespaces, ADaemonThatIsKilledAndStartedKeepsThemApart) {
  const Lab a;
  const Lab b;
  const Server server_a(a.server(), a.server_ipv4(kPort));
  const Server server_b(b.server(), b.server_ipv4(kPort));
  Headgated headgated(a.server(), web_rule("per_client: 3"), {.netns = both(a, b)});
  const auto held = hold(b.client(0), b.server_ipv4(kPort), 3);
  headgated.kill();
  EXPECT_TRUE(refused(b.client(0), b.server_ipv4(kPort)));
  EXPECT_TRUE(admitted(a.client(0), a.server_ipv4(kPort)));
  headgated.start();
  EXPECT_TRUE(refused(b.client(0), b.server_ipv4(kPort)));
  EXPECT_TRUE(admitted(a.client(0), a.server_ipv4(kPort)));
  EXPECT_EQ(connections_in(headgated, b.server().network().path(), "10.0.1.2"), 3U);
}

TEST(Namespaces, ARefusalIsAnsweredInTheNamespaceThatItHappensIn) {
  const Lab a;
  const Lab b;
  const Server server_a(a.server(), a.server_ipv4(kPort));
  const Server server_b(b.server(), b.server_ipv4(kPort));
  const Headgated headgated(
      a.server(), web_rule("per_client: 1", "on_limit: reply\n    reply: { raw: \"busy\\r\\n\" }"),
      {.netns = both(a, b)});
  for (const Lab* lab : {&a, &b}) {
    const auto held = hold(lab->client(0), lab->server_ipv4(kPort), 1);
    ConnectResult second = lab->client(0).connect(lab->server_ipv4(kPort));
    ASSERT_TRUE(second.connected());
    std::string answer(6, ' ');
    const auto has_come = [&] {  // the socket does not block
      return recv(second.socket.get(), answer.data(), answer.size(), 0) == 6;
    };
    EXPECT_TRUE(eventually(2s, has_come)) << headgated.log();
    EXPECT_EQ(answer, "busy\r\n");
  }
}

TEST(AllNamespaces, OneThatComesLaterIsLimitedAndOneThatGoesIsLetGo) {
  const Lab first;
  // Every namespace of this machine: on a port that nobody else uses.
  constexpr std::uint16_t kOwnPort = 9433;
  const Headgated headgated(
      first.server(),
      "rules:\n  - { name: web, listen: [\"9433\"], connections: { per_client: 2 } }\n",
      {.netns = "all"});
  std::string name;
  {
    const Lab later;
    name = later.server().network().path();
    const Server server(later.server(), later.server_ipv4(kOwnPort));
    // Open before the daemon has seen the namespace.
    const auto held = hold(later.client(0), later.server_ipv4(kOwnPort), 2);
    const auto is_limited = [&] { return connections_in(headgated, name, "10.0.1.2") == 2; };
    EXPECT_TRUE(eventually(5s, is_limited)) << headgated.log();
    EXPECT_TRUE(refused(later.client(0), later.server_ipv4(kOwnPort)));
    EXPECT_NE(headgated.status().dump().find(name), std::string::npos);
    struct stat status {};
    ASSERT_EQ(fstat(later.server().network().fd(), &status), 0);
    name = "netns:[" + std::to_string(status.st_ino) + "] has gone";
  }
  EXPECT_TRUE(eventually(8s, [&] { return headgated.log().find(name) != std::string::npos; }))
      << headgated.log();
  EXPECT_EQ(headgated.rule("web").connections, 0U);
}

}  // namespace
}  // namespace headgate::lab
