// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/kernel/netns.h"

namespace headgate::kernel {

// Listening sockets that let every packet vanish, for `on_limit: drop`: the kernel program can
// refuse with a RST or hand the packet to a socket, and this is a socket whose filter keeps
// nothing.
struct DropListeners {
  UniqueFd ipv4;
  UniqueFd ipv6;  // invalid on a host without IPv6

  static Result<DropListeners> open(const NetworkNamespace& netns);
};

}  // namespace headgate::kernel
