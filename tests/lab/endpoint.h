// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "common/ip.h"

namespace headgate::lab {

// An address and a TCP port (host byte order; 0: any).
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// The address that `text` spells; throws LabError when it spells none.
IpAddress address(const std::string& text);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};
SocketAddress to_socket_address(const Endpoint& endpoint);

}  // namespace headgate::lab
