// SPDX-License-Identifier: Apache-2.0
#include "daemon/runtime/privileges.h"

#include <sched.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/unique_fd.h"

namespace headgate::runtime {
namespace {

using testing::HasSubstr;

using Step = std::function<std::string()>;

std::string all_of(const std::vector<Step>& steps) {
  std::string said;
  for (const Step& step : steps) {
    const std::string more = step();
    if (!more.empty()) said += (said.empty() ? "" : " ") + more;
  }
  return said;
}

// Does the steps one after another in a child that has every capability, in a user namespace and a
// network namespace of its own, so that root is not needed; returns what they say, with spaces
// between. What they drop is dropped in the child only.
std::string in_child(const std::vector<Step>& steps) {
  int ends[2];
  if (pipe(ends) != 0) return "pipe failed";
  const pid_t child = fork();
  if (child == 0) {
    const std::string said = unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0
                                 ? all_of(steps)
                                 : std::string("no user namespace: ") + std::strerror(errno);
    const bool is_written = write(ends[1], said.data(), said.size()) >= 0;
    _exit(is_written ? 0 : 1);
  }
  close(ends[1]);
  const UniqueFd end(ends[0]);
  std::string said;
  char piece[512];
  for (ssize_t size = 0; (size = read(end.get(), piece, sizeof(piece))) > 0;) {
    said.append(piece, static_cast<std::size_t>(size));
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? said : "the child died; " + said;
}

std::string outcome(bool is_done) {
  return is_done ? "done" : errno == EPERM ? "EPERM" : std::strerror(errno);
}

// Needs CAP_NET_ADMIN.
std::string mark_a_socket() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM, 0));
  const int mark = 1;
  return outcome(setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0);
}

// Needs CAP_SYS_ADMIN.
std::string make_a_namespace() {
  return outcome(unshare(CLONE_NEWNET) == 0);
}

// The lines of /proc/self/status that begin with Cap, and NoNewPrivs, without white space.
std::string capabilities_line() {
  std::ifstream status("/proc/self/status");
  std::string all;
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Cap", 0) != 0 && line.rfind("NoNewPrivs", 0) != 0) continue;
    std::istringstream words(line);
    std::string name;
    std::string value;
    words >> name >> value;
    all += name + value + " ";
  }
  return all;
}

// Gives CAP_NET_ADMIN to whatever program this process would start. Only what is inheritable can be
// ambient.
std::string make_ambient() {
  const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> sets(cap_get_proc(),
                                                                           cap_free);
  const cap_value_t net_admin = CAP_NET_ADMIN;
  const bool is_made = cap_set_flag(sets.get(), CAP_INHERITABLE, 1, &net_admin, CAP_SET) == 0 &&
                       cap_set_proc(sets.get()) == 0 && cap_set_ambient(net_admin, CAP_SET) == 0;
  return is_made ? "" : outcome(false);
}

// Says nothing, or the error.
Step drop_to(std::vector<Capability> keep) {
  return [keep = std::move(keep)] {
    const auto dropped = drop_capabilities_except(keep);
    return dropped ? "" : dropped.error().to_string();
  };
}

std::string in_effect() {
  return capabilities_in_effect().value();
}

TEST(DropCapabilities, WhatWasDroppedCanNoLongerBeDone) {
  EXPECT_EQ(in_child({mark_a_socket, make_a_namespace}), "done done");
  EXPECT_EQ(in_child({drop_to({Capability::kNetAdmin}), mark_a_socket, make_a_namespace}),
            "done EPERM");
  EXPECT_EQ(in_child({drop_to({Capability::kSysAdmin}), mark_a_socket, make_a_namespace}),
            "EPERM done");
}

TEST(DropCapabilities, LeavesNothingElseInAnySet) {
  EXPECT_EQ(in_child({drop_to({Capability::kNetAdmin, Capability::kBpf}), capabilities_line}),
            "CapInh:0000000000000000 CapPrm:0000008000001000 CapEff:0000008000001000 "
            "CapBnd:0000008000001000 CapAmb:0000000000000000 NoNewPrivs:1 ");
}

TEST(DropCapabilities, LaterThreadsHaveNoMore) {
  const Step on_a_thread = [] {
    std::string said;
    std::thread([&said] { said = make_a_namespace(); }).join();
    return said;
  };
  EXPECT_EQ(in_child({drop_to({Capability::kNetAdmin}), on_a_thread}), "EPERM");
}

TEST(DropCapabilities, EndsAmbientOnes) {
  EXPECT_THAT(in_child({make_ambient, capabilities_line, drop_to({Capability::kNetAdmin}),
                        capabilities_line}),
              testing::AllOf(HasSubstr("CapAmb:0000000000001000 NoNewPrivs:0"),
                             HasSubstr("CapAmb:0000000000000000 NoNewPrivs:1")));
}

TEST(DropCapabilities, WithoutTheRightToNarrowTheBoundingSetTheRestIsDropped) {
  // The second drop has no CAP_SETPCAP any more.
  EXPECT_THAT(in_child({drop_to({Capability::kNetAdmin, Capability::kBpf}),
                        drop_to({Capability::kBpf}), capabilities_line}),
              testing::AllOf(HasSubstr("CapPrm:0000008000000000 CapEff:0000008000000000"),
                             HasSubstr("CapBnd:0000008000001000")));
}

TEST(DropCapabilities, WhatIsNotHeldIsNotKept) {
  EXPECT_EQ(in_child({drop_to({Capability::kBpf}),
                      drop_to({Capability::kBpf, Capability::kNetAdmin}), in_effect}),
            "CAP_BPF");
}

TEST(DropCapabilities, RefusesWhenThereAreOtherThreads) {
  const Step drop_beside_a_thread = [] {
    int ends[2];
    if (pipe(ends) != 0) return outcome(false);
    std::thread waiting([&ends] {
      char none = 0;
      while (read(ends[0], &none, 1) < 0) {
      }
    });
    std::string said = drop_to({})();
    close(ends[1]);
    waiting.join();
    return said;
  };
  EXPECT_THAT(
      in_child({drop_beside_a_thread, mark_a_socket, make_a_namespace}),
      testing::AllOf(HasSubstr("before there are other threads"), testing::EndsWith(" done done")));
}

TEST(CapabilitiesInEffect, AreNamedAsInTheManual) {
  EXPECT_EQ(in_child({drop_to({Capability::kPerfmon, Capability::kNetAdmin}), in_effect}),
            "CAP_NET_ADMIN, CAP_PERFMON");
  EXPECT_EQ(in_child({drop_to({}), in_effect}), "none");
}

}  // namespace
}  // namespace headgate::runtime
