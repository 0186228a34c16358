// SPDX-License-Identifier: Apache-2.0
// `pin_dir` is another one at the next start: what was in force is neither forgotten nor lost.
#include "tests/lab/pin_dir.h"

#include <sys/mount.h>

#include <filesystem>

#include "tests/kernel/support.h"
#include "tests/kernel/trier.h"
#include "tests/lab/error.h"
#include "tests/lab/kernel_objects.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

namespace fs = std::filesystem;

constexpr int kLimit = 3;

// A bpffs of its own below `directory`.
class OtherMount {
 public:
  explicit OtherMount(fs::path directory) : path_(std::move(directory)) {
    fs::create_directory(path_);
    check(mount("bpf", path_.c_str(), "bpf", 0, "mode=0700"), "mount a bpffs");
  }
  ~OtherMount() { umount2(path_.c_str(), MNT_DETACH); }
  OtherMount(const OtherMount&) = delete;
  OtherMount& operator=(const OtherMount&) = delete;

  std::string pin_dir() const { return (path_ / "pins").string(); }

 private:
  fs::path path_;
};

// A daemon that has a client at its limit, and another directory for its pins.
class PinDirChanges : public testing::Test {
 protected:
  Endpoint web() const { return lab_.server_ipv4(kPort); }
  testing::AssertionResult is_kept_out() const { return refused(lab_.client(0), web()); }
  testing::AssertionResult is_let_in() const { return admitted(lab_.client(0), web()); }
  std::size_t gates() const { return sk_lookup_programs(lab_.server().network()); }
  fs::path records() const { return fs::path(headgated_.socket_path()).parent_path() / "pins"; }

  void put(const std::string& key, const std::string& value) const {
    std::string text = read_file(headgated_.config_path());
    const std::size_t begin = text.find("\n" + key + ": ") + 1;
    text.replace(begin, text.find('\n', begin) - begin, key + ": " + value);
    write_file(headgated_.config_path(), text);
  }
  void configure(const std::string& pin_dir, int per_client = kLimit) const {
    headgated_.write_config(web_rule("per_client: " + std::to_string(per_client)));
    put("pin_dir", pin_dir);
  }
  CommandResult detach() const {
    return run_command({HEADGATECTL_PROGRAM, "detach", "--config", headgated_.config_path()});
  }
  testing::AssertionResult logs(const std::string& text) const {
    if (headgated_.log().find(text) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "no '" << text << "' in " << headgated_.log();
  }

  const Lab lab_;
  const Server server_{lab_.server(), web()};
  const PinDir other_;
  Headgated headgated_{lab_.server(), web_rule("per_client: " + std::to_string(kLimit))};
  std::vector<UniqueFd> held_ = hold(lab_.client(0), web(), kLimit);
};

TEST_F(PinDirChanges, WhatIsInForceMovesWithItsCountsAndObeysTheNewPolicy) {
  headgated_.ctl({"deny", "add", lab_.client(1).ipv4().to_string(), "--reason", "kept"});
  Trier denied(lab_.client(1), web());
  headgated_.stop();
  configure(other_.path(), kLimit + 1);
  headgated_.start();
  EXPECT_TRUE(logs("moved what is in force from " + headgated_.pin_dir() + " to " + other_.path()));
  EXPECT_TRUE(logs("took over what was in force, with its counts"));
  EXPECT_EQ(headgated_.rule("web").adopted, 0U);
  EXPECT_EQ(gates(), 1U);
  EXPECT_FALSE(fs::exists(headgated_.pin_dir()));
  EXPECT_EQ(headgated_.status().at("pin_dir"), other_.path());
  const auto one_more = hold(lab_.client(0), web(), 1);
  EXPECT_TRUE(is_kept_out());
  denied.stop();
  EXPECT_EQ(denied.wrong(), 0U) << "errno " << denied.last_wrong();
  EXPECT_GT(denied.refused(), 100U);

  headgated_.stop();
  const CommandResult detached = detach();
  EXPECT_EQ(detached.status, 0) << detached.output;
  EXPECT_TRUE(is_let_in());
  EXPECT_EQ(gates(), 0U);
  EXPECT_TRUE(fs::is_empty(records()));
}

TEST_F(PinDirChanges, OnAnotherMountItIsMadeAnewBeforeTheFormerOneGoes) {
  const OtherMount mount(fs::path(headgated_.socket_path()).parent_path() / "bpf");
  headgated_.ctl({"deny", "add", lab_.client(1).ipv4().to_string(), "--reason", "kept"});
  Trier denied(lab_.client(1), web());
  Trier trier(lab_.client(0), web());
  headgated_.stop();
  configure(mount.pin_dir());
  headgated_.start();
  EXPECT_TRUE(logs("replaces what is in force in " + headgated_.pin_dir()));
  EXPECT_TRUE(logs("removed what was in force in " + headgated_.pin_dir()));
  EXPECT_EQ(headgated_.rule("web").adopted, static_cast<std::uint64_t>(kLimit));
  EXPECT_EQ(gates(), 1U);
  for (Trier* const one : {&trier, &denied}) {
    one->stop();
    EXPECT_EQ(one->wrong(), 0U) << "errno " << one->last_wrong();
    EXPECT_GT(one->refused(), 100U);
  }

  headgated_.stop();
  EXPECT_EQ(detach().status, 0);
  EXPECT_EQ(gates(), 0U);
}

TEST_F(PinDirChanges, WhereBothHaveLimitsTheFormerOnesGo) {
  headgated_.stop();
  const auto record = fs::directory_iterator(records())->path();
  fs::remove(record);
  configure(other_.path());
  headgated_.start();
  EXPECT_EQ(gates(), 2U) << "nobody knew of the former ones";
  headgated_.stop();
  write_file(record, headgated_.pin_dir() + "\n" + other_.path() + "\n");
  headgated_.start();
  EXPECT_TRUE(logs("removed what was in force in " + headgated_.pin_dir()));
  EXPECT_EQ(gates(), 1U);
  EXPECT_TRUE(is_kept_out());
}

TEST_F(PinDirChanges, AStartInVainLeavesWhatIsInForce) {
  headgated_.stop();
  configure(other_.path());
  put("cgroup", "/proc");
  EXPECT_EQ(headgated_.start_in_vain().status, 1);
  EXPECT_EQ(gates(), 1U);
  EXPECT_TRUE(is_kept_out());
}

TEST_F(PinDirChanges, DetachFindsTheFormerOneWithoutAStart) {
  headgated_.stop();
  configure(other_.path());
  const CommandResult detached = detach();
  EXPECT_EQ(detached.status, 0) << detached.output;
  EXPECT_NE(detached.output.find("also in " + headgated_.pin_dir()), std::string::npos)
      << detached.output;
  EXPECT_TRUE(is_let_in());
  EXPECT_EQ(gates(), 0U);
}

TEST_F(PinDirChanges, DetachRefusesWhileADaemonRunsWithTheFormerOne) {
  configure(other_.path());
  const CommandResult refused = detach();
  EXPECT_EQ(refused.status, 1) << refused.output;
  EXPECT_NE(refused.output.find("pid " + std::to_string(headgated_.pid())), std::string::npos)
      << refused.output;
  EXPECT_TRUE(is_kept_out());
}

TEST_F(PinDirChanges, DetachNeedsNoGoodConfiguration) {
  headgated_.stop();
  write_file(headgated_.config_path(), "rules: [\n");
  const CommandResult detached = headgated_.run_ctl({"detach", "-c", headgated_.config_path()});
  EXPECT_EQ(detached.status, 0) << detached.output;
  EXPECT_NE(detached.output.find("no connection is limited any more"), std::string::npos)
      << detached.output;
  EXPECT_TRUE(is_let_in());
  EXPECT_EQ(gates(), 0U);

  const CommandResult again = headgated_.run_ctl({"detach", "-c", headgated_.config_path()});
  EXPECT_EQ(again.status, 1) << "it cannot know";
  EXPECT_NE(again.output.find("--pin-dir"), std::string::npos) << again.output;
}

}  // namespace
}  // namespace headgate::lab
