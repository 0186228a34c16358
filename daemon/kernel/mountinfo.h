// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace headgate::kernel {

// One line of /proc/self/mountinfo.
struct Mount {
  std::string root;           // what of the file system is mounted; "/" is all of it
  std::string point;          // where
  std::string type;           // "cgroup2", "bpf"
  bool is_read_only = false;  // the mount, or the file system
};

// From the text of /proc/self/mountinfo; lines that are no mounts are left out. Pure.
std::vector<Mount> parse_mountinfo(const std::string& mountinfo);

// The text for this process.
std::string read_mountinfo();

// The mount that an absolute path is on; null: none of these. Of two at the same place the later
// one hides the other. Pure.
const Mount* find_mount(const std::vector<Mount>& mounts, const std::string& path);

}  // namespace headgate::kernel
