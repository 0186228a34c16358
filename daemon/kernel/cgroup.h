// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace headgate::kernel {

// A directory of the cgroup2 hierarchy. Sockets created by the processes in it and below it are
// the ones that are counted.
struct Cgroup {
  std::string path;
  UniqueFd fd;
  std::uint64_t id = 0;  // as the kernel and bpf_get_current_cgroup_id() number it
};

// The mount point of cgroup2, from the text of /proc/self/mountinfo. Pure.
Result<std::string> find_cgroup2_mount(const std::string& mountinfo);

// "auto" (the root of the hierarchy) or a path. Errors: kNotFound with what to do, and
// kInvalidArgument if the path is not on cgroup2.
Result<Cgroup> open_cgroup(const std::string& path);

// Where the cgroup2 hierarchy is mounted.
Result<std::string> find_cgroup2();

// The numbers of a group and all below it: the inode numbers of their directories. A group that
// goes meanwhile may be missing.
std::set<std::uint64_t> list_cgroups(const std::string& path);

}  // namespace headgate::kernel
