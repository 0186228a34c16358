// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/mountinfo.h"

#include <gtest/gtest.h>

namespace headgate::kernel {
namespace {

TEST(ParseMountinfo, TellsWhatIsMountedWhereAndHow) {
  const auto mounts = parse_mountinfo(
      "22 1 0:20 / / rw,relatime - ext4 /dev/sda1 rw\n"
      "25 22 0:21 /part /mnt/a\\040b ro,nosuid shared:7 master:1 - tmpfs tmpfs rw,size=1k\n"
      "26 22 0:22 / /sys/fs/bpf rw,nosuid - bpf bpf ro,mode=700\n");
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(mounts[0].type, "ext4");
  EXPECT_FALSE(mounts[0].is_read_only);
  EXPECT_EQ(mounts[1].root, "/part");
  EXPECT_EQ(mounts[1].point, "/mnt/a b");
  EXPECT_EQ(mounts[1].type, "tmpfs");
  EXPECT_TRUE(mounts[1].is_read_only) << "the mount";
  EXPECT_TRUE(mounts[2].is_read_only) << "the file system";
}

TEST(ParseMountinfo, LeavesOutWhatIsNoMount) {
  EXPECT_TRUE(parse_mountinfo("").empty());
  EXPECT_TRUE(parse_mountinfo("garbage\n - \n1 2 3 - \n1 2 0:3 / - bpf bpf rw\n").empty());
  const auto mounts = parse_mountinfo("1 2 0:3 / /a\\0 rw - bpf bpf rw");
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].point, "/a\\0") << "no escape";
}

TEST(FindMount, IsTheInnermostAndOfTwoTheLater) {
  const auto mounts = parse_mountinfo(
      "1 0 0:1 / / rw - ext4 a rw\n"
      "2 1 0:2 / /sys rw - sysfs b rw\n"
      "3 2 0:3 / /sys/fs/bpf rw - bpf c rw\n"
      "4 2 0:4 / /sys/fs/bpf rw - tmpfs d rw\n");
  EXPECT_EQ(find_mount(mounts, "/sys/fs/bpf")->type, "tmpfs");
  EXPECT_EQ(find_mount(mounts, "/sys/fs/bpf/headgate")->type, "tmpfs");
  EXPECT_EQ(find_mount(mounts, "/sys/fs/bpfother")->type, "sysfs");
  EXPECT_EQ(find_mount(mounts, "/etc")->type, "ext4");
  EXPECT_EQ(find_mount({}, "/etc"), nullptr);
}

// The kernel's own text, whatever it is here.
TEST(ReadMountinfo, FindsTheProcItWasReadFrom) {
  const auto mounts = parse_mountinfo(read_mountinfo());
  const Mount* mount = find_mount(mounts, "/proc/self/mountinfo");
  ASSERT_NE(mount, nullptr);
  EXPECT_EQ(mount->type, "proc");
}

}  // namespace
}  // namespace headgate::kernel
