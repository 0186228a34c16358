// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "bpf/abi.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/kernel/netns.h"

namespace headgate::kernel {

// Destroys TCP sockets of one network namespace through netlink SOCK_DESTROY, as `ss -K` does: the
// peer gets an RST, the owner's next call fails with ECONNABORTED. Not thread-safe.
class SocketKiller {
 public:
  static Result<SocketKiller> open(const NetworkNamespace& netns);

  // Destroys the very socket that the event names (addresses, ports and cookie).
  // Returns false if it was gone already. Errors: kPermissionDenied (CAP_NET_ADMIN), kUnsupported
  // (a kernel without CONFIG_INET_DIAG_DESTROY), kInternal.
  Result<bool> destroy(const hg_event& event);

 private:
  UniqueFd netlink_;
  std::uint32_t sequence_ = 0;
};

}  // namespace headgate::kernel
