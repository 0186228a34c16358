// SPDX-License-Identifier: Apache-2.0
// Things that go wrong around the daemon: an error that says what to do, and what was in force
// stays in force.
#include <sys/mount.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/cgroup.h"
#include "tests/lab/error.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr int kLimit = 3;

// A daemon that was killed while a client was at its limit.
class Fault : public testing::Test {
 protected:
  void SetUp() override {
    held_ = hold(lab_.client(0), lab_.server_ipv4(kPort), kLimit);
    headgated_.kill();
  }

  // A start that must fail, say `what`, and change nothing.
  void expect_failure(const CommandResult& result, const std::string& what) {
    EXPECT_EQ(result.status, 1) << result.output;
    EXPECT_NE(result.output.find(what), std::string::npos) << result.output;
    expect_in_force();
  }
  void expect_in_force() {
    EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort)));
    EXPECT_TRUE(admitted(lab_.client(1), lab_.server_ipv4(kPort)));
  }
  // Runs the daemon by a shell that prepares something for it, in a mount namespace of its own.
  CommandResult start_after(const std::string& preparation) const {
    return run_command(
        {"unshare", "-m", "--propagation", "slave", "sh", "-c",
         preparation + "\nexec " + HEADGATED_PROGRAM + " --config " + headgated_.config_path()});
  }
  std::string bpffs() const {
    return std::filesystem::path(headgated_.pin_dir()).parent_path().string();
  }

  Lab lab_;
  Server server_{lab_.server(), lab_.server_ipv4(kPort)};
  Headgated headgated_{lab_.server(), web_rule("per_client: " + std::to_string(kLimit))};
  std::vector<UniqueFd> held_;
};

TEST_F(Fault, ReadOnlyBpffs) {
  expect_failure(start_after("mount -o remount,bind,ro " + bpffs()), "Read-only file system");
  headgated_.start();
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
}

TEST_F(Fault, NoCgroup2) {
  expect_failure(start_after("umount -l " + cgroup2_root().string()),
                 "no cgroup2 hierarchy is mounted; mount one");
  headgated_.start();
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
}

TEST_F(Fault, ACgroupThatIsNotOnCgroup2) {
  const std::string config = read_file(headgated_.config_path());
  std::ofstream(headgated_.config_path()) << config.substr(0, config.find("cgroup: auto")) +
                                                 "cgroup: /tmp" +
                                                 config.substr(config.find("cgroup: auto") + 12);
  expect_failure(headgated_.start_in_vain(), "is not in the cgroup2 hierarchy");
}

TEST_F(Fault, ANetworkNamespaceThatIsNotThere) {
  std::string config = read_file(headgated_.config_path());
  const std::string name = lab_.server().network().path();
  config.replace(config.find(name), name.size(), "/run/netns/headgate-nowhere");
  std::ofstream(headgated_.config_path()) << config;
  expect_failure(headgated_.start_in_vain(), "/run/netns/headgate-nowhere");
}

// The log goes to a full disk, as long as the daemon runs.
TEST_F(Fault, FullDiskForTheLog) {
  Process daemon({"sh", "-c",
                  std::string("exec ") + HEADGATED_PROGRAM + " --config " +
                      headgated_.config_path() + " >/dev/full 2>&1"});
  const auto answers = [&] { return headgated_.run_ctl({"status"}).status == 0; };
  ASSERT_TRUE(eventually(10s, answers));
  expect_in_force();
  headgated_.ctl({"deny", "add", "203.0.113.7"});
  headgated_.ctl({"reload"});
  expect_in_force();
  EXPECT_TRUE(daemon.running());
  EXPECT_EQ(headgated_.rule("web").connections, static_cast<std::uint64_t>(kLimit));
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(10s), 0);
}

// A group of processes that may use so much memory that the daemon runs, and not its tables.
class MemoryLimit {
 public:
  explicit MemoryLimit(const std::string& bytes) {
    const std::filesystem::path v1 = "/sys/fs/cgroup/memory";
    const bool is_v1 = std::filesystem::exists(v1 / "memory.limit_in_bytes");
    path_ =
        (is_v1 ? v1 : cgroup2_root()) / ("headgate-test-" + std::to_string(getpid()) + "-memory");
    if (!is_v1) {
      write_file(cgroup2_root() / "cgroup.subtree_control", "+memory");
    }
    std::filesystem::create_directory(path_);
    write_file(path_ / (is_v1 ? "memory.limit_in_bytes" : "memory.max"), bytes);
  }
  ~MemoryLimit() {
    eventually(2s, [this] { return ::rmdir(path_.c_str()) == 0; });
  }
  std::string procs() const { return (path_ / "cgroup.procs").string(); }

 private:
  std::filesystem::path path_;
};

TEST_F(Fault, NoMemoryForTheTables) {
  const MemoryLimit limit("100000000");
  headgated_.write_config(web_rule("per_client: " + std::to_string(kLimit)) +
                          "\ntables: { recent: 4000000, penalties: 4000000 }\n");
  expect_failure(start_after("echo $$ > " + limit.procs()), "Cannot allocate memory");
  headgated_.write_config(web_rule("per_client: " + std::to_string(kLimit)));
  headgated_.start();
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
}

// The daemon does not read its events while far more of them come than fit.
TEST_F(Fault, AFloodOfEventsWhileNobodyReadsThem) {
  headgated_.start();
  headgated_.write_config(web_rule("per_client: " + std::to_string(kLimit)));
  ::kill(headgated_.pid(), SIGSTOP);
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([this] {
      lab_.client(0).network().enter();
      const auto end = std::chrono::steady_clock::now() + 3s;
      while (std::chrono::steady_clock::now() < end) connect_to(lab_.server_ipv4(kPort));
    });
  }
  for (std::thread& client : clients) client.join();
  expect_in_force();
  ::kill(headgated_.pid(), SIGCONT);
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, kLimit));
  EXPECT_GT(headgated_.metrics().at("headgate_events_suppressed_total"), 0);
  expect_in_force();
}

}  // namespace
}  // namespace headgate::lab
