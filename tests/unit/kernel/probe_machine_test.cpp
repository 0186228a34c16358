// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/probe_machine.h"

#include <linux/capability.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::kernel {
namespace {

using testing::HasSubstr;

TEST(KernelVersion, IsTheTwoNumbersAtTheBeginning) {
  EXPECT_EQ(parse_kernel_version("6.1.0-18-amd64"), std::pair(6, 1));
  EXPECT_EQ(parse_kernel_version("5.15"), std::pair(5, 15));
  EXPECT_EQ(parse_kernel_version("7.2-rc1+"), std::pair(7, 2));
  EXPECT_EQ(parse_kernel_version(""), std::nullopt);
  EXPECT_EQ(parse_kernel_version("6"), std::nullopt);
  EXPECT_EQ(parse_kernel_version("linux-6.1"), std::nullopt);
}

TEST(Lockdown, IsTheModeInBrackets) {
  EXPECT_EQ(parse_lockdown("[none] integrity confidentiality\n"), "none");
  EXPECT_EQ(parse_lockdown("none [integrity] confidentiality\n"), "integrity");
  EXPECT_EQ(parse_lockdown("none integrity [confidentiality]\n"), "confidentiality");
  EXPECT_EQ(parse_lockdown("none integrity\n"), "");
  EXPECT_EQ(parse_lockdown("] [none"), "");
  EXPECT_EQ(parse_lockdown(""), "");
}

constexpr std::uint64_t bit(int capability) {
  return 1ULL << capability;
}

TEST(Capabilities, AreReadFromTheStatusOfAProcess) {
  EXPECT_EQ(parse_effective_capabilities("Name:\tx\nCapPrm:\t0000000000000001\n"
                                         "CapEff:\t000001fffeffffff\nCapBnd:\t0\n"),
            0x1fffeffffffULL);
  EXPECT_EQ(parse_effective_capabilities("Name:\tCapEff\n"), std::nullopt);
  EXPECT_EQ(parse_effective_capabilities("CapEff:\tnonsense\n"), std::nullopt);
}

TEST(Capabilities, SysAdminStandsForBpfAndPerfmonAlone) {
  EXPECT_EQ(missing_capabilities(bit(CAP_BPF) | bit(CAP_PERFMON) | bit(CAP_NET_ADMIN)), "");
  EXPECT_EQ(missing_capabilities(bit(CAP_SYS_ADMIN)), "CAP_NET_ADMIN");
  EXPECT_EQ(missing_capabilities(bit(CAP_BPF)), "CAP_PERFMON, CAP_NET_ADMIN");
  EXPECT_EQ(missing_capabilities(0), "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN");
}

std::vector<Mount> mounts_with(const std::string& line) {
  return parse_mountinfo("1 0 0:1 / / rw - ext4 a rw\n" + line + "\n");
}

TEST(Bpffs, IsGoodWhereItIsMountedForWriting) {
  const auto mounts = mounts_with("2 1 0:2 / /sys/fs/bpf rw - bpf bpf rw");
  EXPECT_EQ(judge_bpffs(mounts, "/sys/fs/bpf/headgate", false).value_or(""),
            "mounted at /sys/fs/bpf, writable");
  const auto other = mounts_with("2 1 0:2 / /run/pins rw - bpf bpf rw");
  EXPECT_EQ(judge_bpffs(other, "/run/pins/headgate", false).value_or(""),
            "mounted at /run/pins, writable");
}

TEST(Bpffs, ThatIsReadOnlyKeepsNothing) {
  const auto judged = judge_bpffs(mounts_with("2 1 0:2 / /sys/fs/bpf ro - bpf bpf rw"),
                                  "/sys/fs/bpf/headgate", true);
  ASSERT_FALSE(judged);
  EXPECT_EQ(judged.error().message, "/sys/fs/bpf is mounted read-only");
}

// As PinDirectory::open() does it: at /sys/fs/bpf, or at the directory itself.
TEST(Bpffs, ThatIsNotMountedIsMountedByWhoMay) {
  const auto mounts = mounts_with("2 1 0:2 / /sys/fs/bpf rw - tmpfs x rw");
  EXPECT_THAT(judge_bpffs(mounts, "/sys/fs/bpf/headgate", true).value_or(""),
              HasSubstr("not mounted at /sys/fs/bpf; headgated mounts it"));
  EXPECT_THAT(judge_bpffs(mounts, "/run/pins", true).value_or(""),
              HasSubstr("not mounted at /run/pins; headgated mounts it"));
  EXPECT_THAT(judge_bpffs(mounts, "/sys/fs/bpfother", true).value_or(""),
              HasSubstr("not mounted at /sys/fs/bpfother;"));
  const auto judged = judge_bpffs(mounts, "/sys/fs/bpf/headgate", false);
  ASSERT_FALSE(judged);
  EXPECT_EQ(judged.error().code, ErrorCode::kPermissionDenied);
  EXPECT_THAT(judged.error().message, HasSubstr("CAP_SYS_ADMIN"));
}

}  // namespace
}  // namespace headgate::kernel
