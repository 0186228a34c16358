// SPDX-License-Identifier: Apache-2.0
// Several sockets that listen on the same port, or on all addresses of both families: one entry of
// the kernel's stands for them, whichever group each belongs to.
#include <filesystem>

#include "tests/kernel/support.h"
#include "tests/lab/cgroup.h"
#include "tests/lab/error.h"
#include "tests/lab/kernel_objects.h"

namespace headgate::lab {
namespace {

std::unique_ptr<Process> serve(const Lab& lab, const Cgroup& group, const std::string& address,
                               std::uint16_t port) {
  auto server = std::make_unique<Process>(
      std::vector<std::string>{LAB_SERVER_PROGRAM, address, std::to_string(port), "hold", "128",
                               "reuseport"},
      ProcessOptions{.network = &lab.server().network(), .cgroup = group.path()});
  if (!server->wait_for_output("listening", 5s)) throw LabError(server->output());
  return server;
}

std::string rule_of(const Cgroup& group, const std::string& name) {
  return "  - name: " + name + "\n    listen: [{ cgroup: " +
         std::filesystem::relative(group.path(), cgroup2_root()).string() +
         " }]\n    connections: { per_client: 2 }\n";
}

std::size_t known_listeners(const Headgated& headgated) {
  return nlohmann::json::parse(must_run({"bpftool", "-j", "map", "dump", "pinned",
                                         headgated.pin_dir() + "/current/map_listening"}))
      .size();
}

// Two servers of one port each, by what they listen on.
struct Pair {
  std::uint16_t port;
  std::string first;
  std::string second;
};
const std::vector<Pair> kPairs = {{8081, "0.0.0.0", "::"},
                                  {8082, "::", "0.0.0.0"},
                                  {8083, "10.0.0.1", "10.0.0.1"},
                                  {8084, "::", "::"}};
const std::vector<Endpoint> kServed = {{address("10.0.0.1"), 8081}, {address("2001:db8::1"), 8081},
                                       {address("10.0.0.1"), 8082}, {address("2001:db8::1"), 8082},
                                       {address("10.0.0.1"), 8083}, {address("2001:db8::1"), 8084}};
constexpr std::size_t kEntries = 4;  // that the kernel needs for them

// For what is served at `to`, one client that has no other connections.
Endpoint client_of(const Endpoint& to) {
  const std::string number = std::to_string(to.port % 80);
  const bool is_ipv4 = to.address.family() == IpFamily::kIpv4;
  return {address(is_ipv4 ? "10.64.0." + number : "2001:db8:64:" + number + "::1")};
}

class Twins : public testing::Test {
 protected:
  using Servers = std::vector<std::unique_ptr<Process>>;

  Servers serve_pairs(const Cgroup& first, const Cgroup& second) const {
    Servers servers;
    for (const Pair& pair : kPairs) {
      servers.push_back(serve(lab_, first, pair.first, pair.port));
      servers.push_back(serve(lab_, second, pair.second, pair.port));
    }
    return servers;
  }
  // Brings each client to its limit.
  std::vector<UniqueFd> hold_all() const {
    std::vector<UniqueFd> held;
    for (const Endpoint& to : kServed) {
      for (UniqueFd& one : hold(lab_.client(0), to, 2, client_of(to))) {
        held.push_back(std::move(one));
      }
    }
    return held;
  }

  // The rule covers all of them, and the daemon finds nothing to count anew.
  void expect_at_rest(const Headgated& headgated, const std::string& rule) const {
    const RunCounting counting;
    const KernelObjects objects = objects_of(headgated.pid());
    let_it_look_twice(headgated);
    const std::uint64_t before = counting.runs_of("reconcile", objects);
    let_it_look_twice(headgated);
    EXPECT_EQ(counting.runs_of("reconcile", objects) - before, 1U)
        << "for the port that was let go, and for nothing else";
    EXPECT_EQ(headgated.rule(rule).connections, 2 * kServed.size());
    for (const Endpoint& to : kServed) {
      EXPECT_TRUE(refused(lab_.client(0), to, {.from = client_of(to)})) << to.port;
    }
  }

  const Lab lab_;
  const Cgroup first_{"first"};
  const Cgroup second_{"second"};
  const Cgroup inner_{first_, "inner"};
  const Cgroup third_{"third"};

 private:
  // Ends when the daemon has looked at what listens twice, and is at rest: what listens no more is
  // forgotten at the second look.
  void let_it_look_twice(const Headgated& headgated) const {
    serve(lab_, third_, "10.0.0.1", kPort).reset();
    EXPECT_EQ(known_listeners(headgated), kEntries + 1);
    EXPECT_TRUE(eventually(8s, [&] { return known_listeners(headgated) == kEntries; }));
    EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0);  // waits for what is under way
  }
};

TEST_F(Twins, InOneGroup) {
  const Servers servers = serve_pairs(first_, first_);
  const Headgated headgated(lab_.server(),
                            "rules:\n" + rule_of(first_, "web") + rule_of(third_, "third"));
  const auto held = hold_all();
  expect_at_rest(headgated, "web");
}

TEST_F(Twins, InTwoGroupsTheOneThatIsNamedFirstHasThem) {
  const Headgated headgated(
      lab_.server(),
      "rules:\n" + rule_of(first_, "web") + rule_of(second_, "second") + rule_of(third_, "third"));
  // Until the daemon looks, the group that has begun to listen last has them.
  const Servers servers = serve_pairs(first_, second_);
  const auto held = hold_all();
  expect_at_rest(headgated, "web");
}

TEST_F(Twins, InAGroupAndOneInsideItTheInnerOneHasThem) {
  const Headgated headgated(lab_.server(), "rules:\n" + rule_of(first_, "outer") +
                                               rule_of(inner_, "web") + rule_of(third_, "third"));
  const Servers servers = serve_pairs(inner_, first_);
  const auto held = hold_all();
  EXPECT_EQ(headgated.rule("web").connections, 2 * kServed.size()) << "at once";
  expect_at_rest(headgated, "web");
}

}  // namespace
}  // namespace headgate::lab
