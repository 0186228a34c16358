// SPDX-License-Identifier: Apache-2.0
// A start that is killed, or that the kernel refuses something, at each of its steps: what was in
// force stays in force, or what is new is, and the next start makes it whole.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/kernel/support.h"
#include "tests/lab/kernel_objects.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

constexpr int kLimit = 3;

// What strace makes of the `step`th of these system calls.
struct Fault {
  std::string calls;
  std::string what;  // "signal=KILL", "error=ENOSPC"
  int step = 1;
};

// Starts `program` with the daemon's files under strace. Returns what it printed; it has ended when
// this returns. `is_ready`: it got as far as being ready, so the fault came to nothing.
struct Outcome {
  std::string output;
  bool is_ready = false;
};

Outcome start_with(const Fault& fault, const std::string& program, const Headgated& headgated) {
  Process daemon(
      {"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + fault.calls, "-e",
       "inject=" + fault.calls + ":" + fault.what + ":when=" + std::to_string(fault.step), program,
       "--config", headgated.config_path()});
  Outcome outcome;
  const bool was_ready = eventually(30s, [&] {
    outcome.is_ready = daemon.output().find("ready:") != std::string::npos;
    return outcome.is_ready || !daemon.running();
  });
  outcome.output = daemon.output();
  EXPECT_TRUE(was_ready) << "hangs: " << outcome.output;
  // strace hands signals on to nobody: the daemon is its child.
  for (const pid_t child : children_of(daemon.pid())) ::kill(child, SIGKILL);
  daemon.wait(5s);
  return outcome;
}

const char* const kKernelCalls = "bpf";
const char* const kFileCalls = "mkdir,symlink,rename,unlink,rmdir,flock,mount";

// Most calls of bpf() are one like the other (a map made, a map pinned), and a start takes half a
// second: each run tries every kStride-th of them, beginning with another one, unless
// HEADGATE_EVERY_STEP is set.
constexpr int kStride = 9;

int stride_of(const Fault& fault) {
  return fault.calls == kKernelCalls && std::getenv("HEADGATE_EVERY_STEP") == nullptr ? kStride : 1;
}

// Runs a start for each step until one gets through; `check` looks at what is in force after each.
// Returns how many steps it has tried.
template <typename Check>
int for_each_step(Fault fault, const std::string& program, const Headgated& headgated,
                  Check check) {
  const int stride = stride_of(fault);
  fault.step = 1 + getpid() % stride;
  for (int tried = 1;; ++tried, fault.step += stride) {
    const Outcome outcome = start_with(fault, program, headgated);
    check(outcome, fault);
    if (testing::Test::HasFailure()) {
      std::cerr << "at step " << fault.step << " of " << fault.calls << ", " << fault.what << ":\n"
                << outcome.output << '\n';
      return tried;
    }
    if (outcome.is_ready || fault.step > 1000) return tried;
  }
}

class TornStart : public testing::TestWithParam<const char*> {};

TEST_P(TornStart, KilledAtAnyStepOfTheFirstOneTheNextOneMakesItWhole) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), web_rule("per_client: " + std::to_string(kLimit)),
                      {.more = "on_stop: detach"});
  headgated.stop();
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  const auto check = [&](const Outcome&, const Fault&) {
    // All or nothing: whoever is beyond no limit is never refused.
    EXPECT_TRUE(admitted(lab.client(1), lab.server_ipv4(kPort)));
    const int error = lab.client(0).connect(lab.server_ipv4(kPort)).error;
    EXPECT_TRUE(error == 0 || error == ECONNREFUSED) << error;
  };
  const int steps = for_each_step({GetParam(), "signal=KILL"}, HEADGATED_PROGRAM, headgated, check);
  std::cout << steps << " steps\n";
  EXPECT_GT(steps, 2);
  headgated.start();
  EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, kLimit));
  EXPECT_EQ(sk_lookup_programs(lab.server().network()), 1U);
  held.clear();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
}

// `program` is killed at each step of its start after a daemon of ours.
void kill_successor_at_each(const char* calls, const std::string& program) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), web_rule("per_client: " + std::to_string(kLimit)));
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  headgated.kill();
  const auto check = [&](const Outcome&, const Fault&) {
    EXPECT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)));
    EXPECT_TRUE(admitted(lab.client(1), lab.server_ipv4(kPort)));
  };
  for_each_step({calls, "signal=KILL"}, program, headgated, check);
  headgated.start();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, kLimit));
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0);
  EXPECT_EQ(sk_lookup_programs(lab.server().network()), 1U);
  held.clear();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
}

TEST_P(TornStart, KilledAtAnyStepOfATakeOverTheLimitsHold) {
  kill_successor_at_each(GetParam(), HEADGATED_NEWER_PROGRAM);
}

TEST_P(TornStart, KilledAtAnyStepOfAChangeToOtherMapsTheLimitsHold) {
  kill_successor_at_each(GetParam(), HEADGATED_OTHER_LAYOUT_PROGRAM);
}

INSTANTIATE_TEST_SUITE_P(At, TornStart, testing::Values(kKernelCalls, kFileCalls),
                         [](const auto& calls) {
                           return std::string(calls.param) == kKernelCalls ? "Bpf" : "Files";
                         });

// bpffs full, no memory for maps: the kernel refuses one call, whichever.
class RefusedStep : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(RefusedStep, OfATakeOverIsToldAndTheLimitsHold) {
  const auto [calls, error] = GetParam();
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), web_rule("per_client: " + std::to_string(kLimit)));
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  headgated.kill();
  int told = 0;
  Fault fault{calls, std::string("error=") + error, 1};
  const int stride = stride_of(fault);
  const int last = fault.calls == kKernelCalls ? 220 : 10;
  for (fault.step += getpid() % stride; fault.step <= last; fault.step += stride) {
    const Outcome outcome = start_with(fault, HEADGATED_OTHER_LAYOUT_PROGRAM, headgated);
    ASSERT_TRUE(refused(lab.client(0), lab.server_ipv4(kPort)))
        << fault.step << ": " << outcome.output;
    ASSERT_TRUE(admitted(lab.client(1), lab.server_ipv4(kPort)));
    if (outcome.is_ready) continue;  // there are not so many calls, or it does without that one
    ++told;
    EXPECT_NE(outcome.output.find("critical"), std::string::npos)
        << "step " << fault.step << " ended without a word: " << outcome.output;
  }
  EXPECT_GT(told, 0);
  headgated.start();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, kLimit));
}

// Some of the steps: how the daemon undoes them is one and the same.
TEST_P(RefusedStep, OfAFirstStartLeavesNothing) {
  const auto [calls, error] = GetParam();
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  Headgated headgated(lab.server(), web_rule("per_client: " + std::to_string(kLimit)),
                      {.more = "on_stop: detach"});
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  headgated.stop();
  const auto is_pinned = [&headgated] {
    return std::filesystem::exists(headgated.pin_dir() + "/current") ||
           std::filesystem::exists(headgated.pin_dir() + "/state-1");
  };
  int failed = 0;
  Fault fault{calls, std::string("error=") + error, 1};
  const bool is_bpf = fault.calls == kKernelCalls;
  const int stride = is_bpf ? 5 * stride_of(fault) : 1;
  for (fault.step += getpid() % stride; fault.step <= (is_bpf ? 220 : 2); fault.step += stride) {
    const Outcome outcome = start_with(fault, HEADGATED_PROGRAM, headgated);
    if (outcome.is_ready) {
      must_run({HEADGATECTL_PROGRAM, "detach", "--pin-dir", headgated.pin_dir()});
      continue;
    }
    ++failed;
    EXPECT_FALSE(is_pinned()) << "step " << fault.step << ": " << outcome.output;
    EXPECT_EQ(sk_lookup_programs(lab.server().network()), 0U) << "step " << fault.step;
    EXPECT_TRUE(admitted(lab.client(0), lab.server_ipv4(kPort))) << "step " << fault.step;
  }
  EXPECT_GT(failed, 0);
}

// Until the new policy is in force, a namespace that it has no place for is still limited.
TEST(LesserTakeOver, WhateverStepIsRefusedBothNamespacesAreLimited) {
  const Lab lab;
  const Lab other;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Server other_server(other.server(), other.server_ipv4(kPort));
  const std::string one = lab.server().network().path();
  const std::string both = "[" + one + ", " + other.server().network().path() + "]";
  Headgated headgated(lab.server(), web_rule("per_client: " + std::to_string(kLimit)),
                      {.netns = both});
  const auto held = hold(lab.client(0), lab.server_ipv4(kPort), kLimit);
  const auto held_other = hold(other.client(0), other.server_ipv4(kPort), kLimit);
  headgated.kill();
  const std::string config = read_file(headgated.config_path());
  std::string changed = config;
  changed.replace(changed.find(both), both.size(), one);
  int told = 0;
  Fault fault{kKernelCalls, "error=ENOMEM"};
  const int stride = stride_of(fault);
  // From when the programs are loaded, about, until the new policy is in force.
  constexpr int kFirst = 140;
  constexpr int kLast = 190;
  for (fault.step = kFirst + getpid() % stride; fault.step <= kLast; fault.step += stride) {
    std::ofstream(headgated.config_path()) << changed;
    const Outcome outcome = start_with(fault, HEADGATED_PROGRAM, headgated);
    if (outcome.is_ready) {  // it does without that one
      std::ofstream(headgated.config_path()) << config;
      headgated.start();
      headgated.kill();
      continue;
    }
    ++told;
    for (const Lab* each : {&lab, &other}) {
      ASSERT_TRUE(refused(each->client(0), each->server_ipv4(kPort)))
          << fault.step << ": " << outcome.output;
    }
  }
  EXPECT_GT(told, 0);
}

INSTANTIATE_TEST_SUITE_P(With, RefusedStep,
                         testing::Values(std::pair(kKernelCalls, "ENOMEM"),
                                         std::pair("symlink,rename", "ENOSPC"),
                                         std::pair("mkdir", "EROFS")),
                         [](const auto& fault) { return std::string(fault.param.second); });

}  // namespace
}  // namespace headgate::lab
