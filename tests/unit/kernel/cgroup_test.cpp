// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/cgroup.h"

#include <gtest/gtest.h>

namespace headgate::kernel {
namespace {

TEST(FindCgroup2Mount, FindsItBesideTheOldHierarchies) {
  const auto found = find_cgroup2_mount(
      "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, "/sys/fs/cgroup/unified");
}

TEST(FindCgroup2Mount, PrefersTheWholeHierarchyToAPartOfIt) {
  const std::string part = "40 31 0:38 /system.slice /mnt/part rw - cgroup2 cgroup2 rw\n";
  EXPECT_EQ(find_cgroup2_mount(part + "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
                .value_or("none"),
            "/sys/fs/cgroup");
  EXPECT_EQ(find_cgroup2_mount(part).value_or("none"), "/mnt/part");
}

TEST(FindCgroup2Mount, UndoesTheEscapesOfMountinfo) {
  const auto found = find_cgroup2_mount("41 31 0:38 / /mnt/a\\040b rw - cgroup2 none rw\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, "/mnt/a b");
}

TEST(FindCgroup2Mount, SaysWhatToDoWhereThereIsNone) {
  for (const char* mountinfo : {"", "garbage", "32 31 0:29 / /cg rw - cgroup cgroup rw\n"}) {
    const auto found = find_cgroup2_mount(mountinfo);
    ASSERT_FALSE(found) << mountinfo;
    EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
    EXPECT_NE(found.error().message.find("mount -t cgroup2"), std::string::npos);
  }
}

TEST(OpenCgroup, RefusesADirectoryOfAnotherFileSystem) {
  const auto opened = open_cgroup("/proc");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace headgate::kernel
