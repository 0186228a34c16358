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

// The bits of an address that a prefix of `length` bits of its family fixes.
inline hg_address mask_of(IpFamily family, std::uint8_t length) {
  const unsigned bits = (family == IpFamily::kIpv4 ? 96U : 0U) + length;
  IpAddress::Bytes bytes{};
  for (unsigned bit = 0; bit < bits; ++bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | (0x80U >> (bit % 8)));
  }
  return to_abi(IpAddress(bytes));
}

// `client` AND `mask` is `wanted`?
inline bool is_within(const hg_address& client, const hg_address& wanted, const hg_address& mask) {
  for (int i = 0; i < 4; ++i) {
    if ((client.word[i] & mask.word[i]) != wanted.word[i]) return false;
  }
  return true;
}

}  // namespace headgate::kernel
