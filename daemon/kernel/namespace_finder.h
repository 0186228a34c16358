// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace headgate::kernel {

// A network namespace that is there now.
struct FoundNamespace {
  std::string name;         // as the configuration names it; "netns:[4026532008]" if nothing does
  std::string path;         // that NetworkNamespace::open() takes
  std::uint64_t inode = 0;  // tells it from every other one that lives
};

// Those that the configuration names and that are there; with `netns: all` this process's own, the
// named ones (/run/netns, /run/docker/netns) and those that processes are in (CAP_SYS_PTRACE to see
// other users'). Each once, in that order. This process's own is always among them, if it is
// wanted.
std::vector<FoundNamespace> find_namespaces(const config::Namespaces& wanted);

}  // namespace headgate::kernel
