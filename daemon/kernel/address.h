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

inline hg_address to_abi(const IpAddress& address) {
  hg_address converted{};
  std::memcpy(&converted, address.bytes().data(), sizeof(converted));
  return converted;
}

// Does the prefix hold the address? One of IPv6 holds no IPv4 address, however short it is.
inline bool is_within(const hg_address& address, const Prefix& prefix) {
  const IpAddress ip = to_ip(address);
  return ip.family() == prefix.address.family() && Prefix::of(ip, prefix.length) == prefix;
}

}  // namespace headgate::kernel
