// SPDX-License-Identifier: Apache-2.0
#include "common/tcp_address.h"

#include <netdb.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace headgate {

Result<TcpAddress> TcpAddress::parse(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (colon == std::string::npos ||
      getaddrinfo(host.c_str(), text.substr(colon + 1).c_str(), &hints, &list) != 0) {
    return fail(ErrorCode::kInvalidArgument, "not an address and port");
  }
  TcpAddress address;
  std::memcpy(&address.storage, list->ai_addr, list->ai_addrlen);
  address.length = list->ai_addrlen;
  freeaddrinfo(list);
  return address;
}

TcpAddress TcpAddress::of(int fd) {
  TcpAddress address;
  address.length = sizeof(address.storage);
  (void)getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length);
  return address;
}

std::uint16_t TcpAddress::port() const {
  if (storage.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

bool TcpAddress::is_loopback() const {
  if (storage.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&address)) return IN6_IS_ADDR_LOOPBACK(&address);
    return address.s6_addr[12] == IN_LOOPBACKNET;
  }
  const auto& address = reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr;
  return ntohl(address.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}

Result<UniqueFd> listen_on(const TcpAddress& address, int backlog) {
  UniqueFd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(fd.get(), address.get(), address.length) != 0 || listen(fd.get(), backlog) != 0) {
    return fail(ErrorCode::kUnavailable, std::strerror(errno));
  }
  return fd;
}

}  // namespace headgate
