// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/kernel/cgroup.h"
#include "daemon/kernel/netns.h"

namespace headgate::kernel {

// Asks the kernel (inet_diag) which TCP connections are open in a network namespace: past their
// handshake and not yet closed. TIME_WAIT is not among them. Not thread-safe.
//
// A listing of a changing set is no snapshot: a connection that lives all the while may be missing
// when others next to it close. is_open() is certain.
class SocketList {
 public:
  // `cgroup`: whose sockets may be counted, with all groups below it.
  static Result<SocketList> open(const NetworkNamespace& netns, const Cgroup& cgroup);

  // `is_ours` is set for those that this host has accepted and whose group is counted.
  Result<std::vector<hg_socket>> list();
  // The sockets that listen; `counted.cookie` is the number of each one's cgroup.
  Result<std::vector<hg_socket>> list_listeners();
  // Is exactly this socket still open?
  Result<bool> is_open(const hg_socket& socket);

 private:
  Result<void> dump(int family, std::uint32_t states, std::vector<hg_socket>& found);
  Result<void> mark_ours(std::vector<hg_socket>& sockets);

  UniqueFd netlink_;
  std::string cgroup_path_;
  bool is_root_group_ = false;
  std::uint32_t sequence_ = 0;
};

}  // namespace headgate::kernel
