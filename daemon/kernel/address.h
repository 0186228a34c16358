// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>

#include "bpf/abi.h"
#include "common/ip.h"

namespace headgate::kernel {

// The same 16 bytes in network byte order, as the rest of the daemon knows an address.
inline IpAddress to_ip(const hg_address& address) {
  IpAddress::Bytes bytes{};
  static_assert(sizeof(bytes) == sizeof(address));
  std::memcpy(bytes.data(), &address, bytes.size());
  return IpAddress(bytes);
}

}  // namespace headgate::kernel
