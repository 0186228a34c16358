// SPDX-License-Identifier: Apache-2.0
// A start that fails when the kernel has the limits already: where nothing was in force nothing is
// left, and what was in force is not lost.
#include <bpf/bpf.h>
#include <fcntl.h>

#include <array>
#include <filesystem>
#include <stdexcept>

#include "tests/kernel/support.h"
#include "tests/lab/cgroup.h"
#include "tests/lab/error.h"
#include "tests/lab/kernel_objects.h"

namespace headgate::lab {
namespace {

namespace fs = std::filesystem;

constexpr int kLimit = 3;

std::size_t sock_ops_programs(const Cgroup& group) {
  const UniqueFd directory(
      check(open(group.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open the cgroup"));
  std::array<__u32, 64> ids{};
  __u32 count = ids.size();
  __u32 flags = 0;
  const int error =
      bpf_prog_query(directory.get(), BPF_CGROUP_SOCK_OPS, 0, &flags, ids.data(), &count);
  if (error < 0) throw LabError("cannot ask which sock_ops programs are attached");
  return count;
}

// What takes from the daemon something that it has found free when it began.
struct Obstacle {
  std::string name;
  std::string told;  // in the error
  bool is_metrics_port;
};

// Adds what the process holds of the kernel, unless it has just ended.
void add_objects_of(pid_t pid, KernelObjects& objects) {
  try {
    KernelObjects now = objects_of(pid);
    objects.programs.merge(now.programs);
    objects.maps.merge(now.maps);
    objects.links.merge(now.links);
  } catch (const std::runtime_error&) {
    return;
  }
}

class LateFailure : public testing::TestWithParam<Obstacle> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.wait_for_output("listening", 5s)) << server_.output();
    headgated_.stop();
  }

  // Starts the daemon and puts the obstacle in its way once it has loaded a program. Returns what
  // it has held of the kernel.
  KernelObjects start_in_vain() const {
    Process daemon({HEADGATED_PROGRAM, "--config", headgated_.config_path()});
    KernelObjects held;
    UniqueFd port;
    bool is_obstructed = false;
    const auto has_ended = [&] {
      add_objects_of(daemon.pid(), held);
      if (!is_obstructed && !held.programs.empty()) {
        port = obstruct();
        is_obstructed = true;
      }
      return !daemon.running();
    };
    EXPECT_TRUE(eventually(20s, has_ended, 1ms));
    std::error_code error;
    fs::remove(headgated_.socket_path(), error);
    const std::string log = daemon.output();
    EXPECT_EQ(daemon.wait(0s), 1) << log;
    EXPECT_NE(log.find("was in force"), std::string::npos) << "not late: " << log;
    EXPECT_NE(log.find(GetParam().told), std::string::npos) << log;
    return held;
  }
  UniqueFd obstruct() const {
    if (GetParam().is_metrics_port) return listen_on(headgated_.metrics_endpoint());
    fs::create_directory(headgated_.socket_path());
    return UniqueFd();
  }

  const Lab lab_;
  const Cgroup group_{"limited"};
  Process server_{{LAB_SERVER_PROGRAM, "10.0.0.1", std::to_string(kPort)},
                  {.network = &lab_.server().network(), .cgroup = group_.path()}};
  Headgated headgated_{lab_.server(),
                       web_rule("per_client: " + std::to_string(kLimit)),
                       {.cgroup = group_.path().string(), .more = "on_stop: detach"}};
};

TEST_P(LateFailure, OfAFirstStartLeavesNothing) {
  const KernelObjects held = start_in_vain();
  EXPECT_FALSE(held.links.empty()) << "it has not attached anything";
  EXPECT_FALSE(fs::exists(headgated_.pin_dir()));
  EXPECT_EQ(sk_lookup_programs(lab_.server().network()), 0U);
  EXPECT_EQ(sock_ops_programs(group_), 0U);
  EXPECT_TRUE(eventually(5s, [&] { return still_alive(held).empty(); }));
}

TEST_P(LateFailure, OfALaterStartLeavesTheLimitsInForce) {
  headgated_.start();
  const auto held = hold(lab_.client(0), lab_.server_ipv4(kPort), kLimit);
  headgated_.kill();
  start_in_vain();
  EXPECT_EQ(sk_lookup_programs(lab_.server().network()), 1U);
  EXPECT_EQ(sock_ops_programs(group_), 1U);
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort)));
  EXPECT_TRUE(admitted(lab_.client(1), lab_.server_ipv4(kPort)));
  headgated_.start();
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
}

INSTANTIATE_TEST_SUITE_P(With, LateFailure,
                         testing::Values(Obstacle{"ControlSocket",
                                                  "cannot listen on control socket", false},
                                         Obstacle{"MetricsPort", "cannot serve metrics on", true}),
                         [](const auto& obstacle) { return obstacle.param.name; });

}  // namespace
}  // namespace headgate::lab
