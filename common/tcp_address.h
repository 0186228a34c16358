// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace headgate {

// Where a server listens: an IP address and a port.
struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  // "192.0.2.1:9469" or "[::1]:9469". Errors: kInvalidArgument.
  static Result<TcpAddress> parse(const std::string& text);
  // Of a socket that is bound to one.
  static TcpAddress of(int fd);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  std::uint16_t port() const;
  // Can only this host reach it?
  bool is_loopback() const;
};

// A socket that listens there, and does not block; also right after another one was closed there.
// Errors: kUnavailable, with the system's reason.
Result<UniqueFd> listen_on(const TcpAddress& address, int backlog);

}  // namespace headgate
