// SPDX-License-Identifier: Apache-2.0
// Network namespaces that come back under their names, and those that cannot be limited at once.
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/kernel/support.h"
#include "tests/lab/error.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr int kLimit = 2;
const char* const kClient = "127.0.0.1";

std::string limit_port(std::uint16_t port) {
  return "rules:\n  - name: web\n    listen: [\"" + std::to_string(port) +
         "\"]\n    connections: { per_client: " + std::to_string(kLimit) + " }\n";
}

std::vector<UniqueFd> connect_often(std::uint16_t port, int count) {
  std::vector<UniqueFd> held;
  for (int i = 0; i < count; ++i) {
    ConnectResult result = connect_to({address(kClient), port});
    EXPECT_TRUE(result.connected()) << "connection " << i + 1 << ": error " << result.error;
    if (result.connected()) held.push_back(std::move(result.socket));
  }
  return held;
}

// A namespace with a name that can be had again, in which a server and its client meet.
class Place {
 public:
  explicit Place(const std::string& role, std::uint16_t port = kPort)
      : network_(role), port_(port) {
    must_run({"ip", "link", "set", "lo", "up"}, {.network = &network_});
    server_ = std::make_unique<Server>(network_.run([port] {
      return listen_on({address(kClient), port});
    }));
  }

  std::string path() const { return network_.path(); }
  void drop_name() { network_.drop_name(); }
  std::vector<UniqueFd> hold(int count) const {
    return network_.run([&] { return connect_often(port_, count); });
  }
  bool refuses() const {
    const Endpoint to{address(kClient), port_};
    return network_.run([&] { return connect_to(to); }).error == ECONNREFUSED;
  }

 private:
  NetworkNamespace network_;
  std::uint16_t port_;
  std::unique_ptr<Server> server_;
};

std::uint64_t connections_in(const Headgated& headgated, const std::string& netns) {
  const nlohmann::json all = headgated.clients();
  for (const nlohmann::json& one : all.at("clients")) {
    if (one.at("netns") == netns && one.at("prefix") == kClient) return one.at("connections");
  }
  return 0;
}

std::size_t times_in(const std::string& log, const std::string& text) {
  std::size_t times = 0;
  for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++times;
  return times;
}

testing::AssertionResult says(const Headgated& headgated, const std::string& text) {
  if (eventually(8s, [&] { return times_in(headgated.log(), text) > 0; })) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << headgated.log();
}

std::string is_limited(const std::string& path) {
  return path + " is limited from now on";
}

TEST(Comeback, WhileTheDaemonIsAwayAndAllPlacesAreTaken) {
  // In the daemon's own namespace nobody else has this port.
  UniqueFd listener = listen_on({address(kClient), 0});
  sockaddr_in local{};
  socklen_t length = sizeof local;
  check(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&local), &length), "getsockname");
  const std::uint16_t port = ntohs(local.sin_port);
  const Server server(std::move(listener));
  const Lab lab;
  auto place = std::make_unique<Place>("again", port);
  const std::string path = place->path();
  Headgated headgated(lab.server(), limit_port(port) + "tables: { namespaces: 2 }\n",
                      {.netns = "[self, " + path + "]"});
  const auto held_here = connect_often(port, kLimit);
  auto held_there = place->hold(kLimit);
  EXPECT_TRUE(place->refuses());
  headgated.kill();
  held_there.clear();
  place.reset();
  place = std::make_unique<Place>("again", port);
  const auto open_already = place->hold(1);
  headgated.start();

  EXPECT_EQ(connect_to({address(kClient), port}).error, ECONNREFUSED);
  EXPECT_EQ(connections_in(headgated, "self"), 2U);
  EXPECT_EQ(connections_in(headgated, path), 1U);
  const auto held_again = place->hold(1);
  EXPECT_TRUE(place->refuses());
  EXPECT_EQ(headgated.rule("web").connections, 4U);
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0) << headgated.run_ctl({"verify"}).output;
}

// Its former bearer lives on, for its sockets, and had the number that the new one gets.
TEST(Comeback, OfANameTheNewOneBeginsAtZeroAndTheFormerOneIsLetGo) {
  const Lab lab;
  Place former("again");
  const std::string path = former.path();
  const Headgated headgated(lab.server(), limit_port(kPort) + "tables: { namespaces: 1 }\n",
                            {.netns = path});
  auto held_before = former.hold(kLimit);
  EXPECT_TRUE(former.refuses());

  former.drop_name();
  const Place latter("again");
  // There is room for one only, so the former one has to be let go first.
  EXPECT_TRUE(says(headgated, is_limited(path)));
  EXPECT_EQ(times_in(headgated.log(), "more network namespaces than tables.namespaces"), 1U)
      << "once, not each second: " << headgated.log();
  EXPECT_EQ(headgated.rule("web").connections, 0U);
  const auto held = latter.hold(kLimit);
  EXPECT_TRUE(latter.refuses());

  for (UniqueFd& one : former.hold(1)) held_before.push_back(std::move(one));
  EXPECT_EQ(headgated.rule("web").connections, 2U) << "nobody's are not counted";
  held_before.clear();
  EXPECT_TRUE(latter.refuses()) << "nor is their end";
  EXPECT_EQ(connections_in(headgated, path), 2U);
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0) << headgated.run_ctl({"verify"}).output;
}

TEST(Comeback, WithSharedCountsOneThatIsLetGoTakesItsConnectionsAlong) {
  const Lab lab;
  Place other("other");
  const Headgated headgated(
      lab.server(), limit_port(kPort),
      {.netns = "[" + lab.server().network().path() + ", " + other.path() + "]",
       .more = "share_across_netns: true"});
  const auto held = other.hold(kLimit);
  EXPECT_EQ(headgated.rule("web").connections, static_cast<std::uint64_t>(kLimit));
  other.drop_name();
  EXPECT_TRUE(eventually(5s, [&] { return headgated.rule("web").connections == 0; }));
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0) << headgated.run_ctl({"verify"}).output;
}

TEST(Comeback, OfANameWhileTheFormerOneLivesOnAndTheDaemonIsAway) {
  const Lab lab;
  Place former("again");
  const std::string path = former.path();
  Headgated headgated(lab.server(), limit_port(kPort) + "tables: { namespaces: 1 }\n",
                      {.netns = path});
  auto held_before = former.hold(kLimit);
  headgated.kill();
  former.drop_name();
  const Place latter("again");
  headgated.start();
  EXPECT_EQ(headgated.rule("web").connections, 0U);
  const auto held = latter.hold(kLimit);
  EXPECT_TRUE(latter.refuses());
  EXPECT_FALSE(former.refuses());
  held_before.clear();
  EXPECT_TRUE(latter.refuses());
  EXPECT_EQ(connections_in(headgated, path), 2U);
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0) << headgated.run_ctl({"verify"}).output;
}

// A name as `ip netns add` makes it: first an empty file, then a mount on it.
class EmptyName {
 public:
  EmptyName() { std::ofstream(path_).flush(); }
  ~EmptyName() {
    umount2(path_.c_str(), MNT_DETACH);
    unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }
  void mount_on_it(const std::string& netns) const {
    check(mount(netns.c_str(), path_.c_str(), nullptr, MS_BIND, nullptr), "mount on " + path_);
  }

 private:
  std::string path_ = "/run/netns/hg-" + std::to_string(getpid()) + "-empty";
};

TEST(Late, ANameWithNoNamespaceYetIsLimitedWhenItHasOne) {
  const Lab lab;
  const EmptyName empty;
  const Headgated headgated(
      lab.server(), limit_port(kPort),
      {.netns = "[" + lab.server().network().path() + ", " + empty.path() + "]"});
  EXPECT_TRUE(says(headgated, "it is limited as soon as it is there"));
  const Place place("other");
  const auto open_already = place.hold(1);
  empty.mount_on_it(place.path());
  EXPECT_TRUE(says(headgated, is_limited(empty.path())));
  const auto held = place.hold(1);
  EXPECT_TRUE(place.refuses());
  EXPECT_EQ(connections_in(headgated, empty.path()), 2U);
  EXPECT_EQ(times_in(headgated.log(), "warning"), 1U) << "once, not each second";
  EXPECT_EQ(times_in(headgated.log(), "error"), 0U) << headgated.log();
}

// Leaves a process `room` file descriptors more than it has.
class FewDescriptors {
 public:
  FewDescriptors(pid_t pid, std::size_t room) : pid_(pid) {
    const std::filesystem::directory_iterator open("/proc/" + std::to_string(pid) + "/fd");
    const auto now = static_cast<std::size_t>(std::distance(begin(open), end(open)));
    check(prlimit(pid, RLIMIT_NOFILE, nullptr, &usual_), "prlimit");
    const rlimit few{now + room, usual_.rlim_max};
    check(prlimit(pid, RLIMIT_NOFILE, &few, nullptr), "prlimit");
  }
  ~FewDescriptors() { prlimit(pid_, RLIMIT_NOFILE, &usual_, nullptr); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  pid_t pid_;
  rlimit usual_{};
};

TEST(Late, OneThatCannotBeLimitedAtOnceIsTriedAgain) {
  const Lab lab;
  const std::string path = "/run/netns/hg-" + std::to_string(getpid()) + "-again";
  const Headgated headgated(lab.server(), limit_port(kPort),
                            {.netns = "[" + lab.server().network().path() + ", " + path + "]"});
  std::unique_ptr<Place> place;
  std::vector<UniqueFd> open_already;
  {
    const FewDescriptors few(headgated.pid(), 8);
    place = std::make_unique<Place>("again");
    open_already = place->hold(1);
    EXPECT_TRUE(says(headgated, "cannot limit " + path));
    EXPECT_EQ(times_in(headgated.log(), is_limited(path)), 0U);
  }
  EXPECT_TRUE(says(headgated, is_limited(path)));
  const auto held = place->hold(1);
  EXPECT_TRUE(place->refuses());
  EXPECT_EQ(connections_in(headgated, path), 2U);
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0) << headgated.run_ctl({"verify"}).output;
}

}  // namespace
}  // namespace headgate::lab
