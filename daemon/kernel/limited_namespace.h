// SPDX-License-Identifier: Apache-2.0
// Private to the kernel layer: one of the network namespaces that are limited.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "common/result.h"
#include "daemon/kernel/cgroup.h"
#include "daemon/kernel/netns.h"
#include "daemon/kernel/programs.h"
#include "daemon/kernel/socket_killer.h"
#include "daemon/kernel/socket_list.h"

namespace headgate::kernel {

// Thread-safe but for `sockets`, which the caller guards.
struct LimitedNamespace {
  std::string name;  // as the configuration or the finder calls it
  std::shared_ptr<const NetworkNamespace> netns;
  hg_namespace id{};
  Programs gate;  // `admit`, loaded for this namespace
  SocketList sockets;

  // Opens all that is needed in the namespace; attaches nothing.
  static Result<std::unique_ptr<LimitedNamespace>> open(
      std::string name, std::shared_ptr<const NetworkNamespace> netns, hg_namespace id,
      const Cgroup& cgroup, const config::TableSizes& sizes, const limiter_bpf& owner);

  // Closes exactly this socket; false: it was gone already.
  Result<bool> close(const hg_event& event);
  // The connections that are open, with what the programs need to know of their namespace.
  Result<std::vector<hg_socket>> list();

 private:
  std::mutex killing_;
  SocketKiller killer_;
};

}  // namespace headgate::kernel
