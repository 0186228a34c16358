// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>

#include "common/result.h"

namespace headgate::kernel {

// Sockets that refused connections are steered to; -1: none of that family.
struct ListenerFds {
  int ipv4 = -1;
  int ipv6 = -1;
};

// Puts them into map `listeners`, at `index` (IPv4) and the one after it.
Result<void> set_listeners(const bpf_map* map, std::uint32_t index, const ListenerFds& listeners);

}  // namespace headgate::kernel
