// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "daemon/reply/reply_server.h"

namespace headgate::reply {
namespace {

// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
constexpr int kBacklog = 4096;

// What the kernel buffers for a connection in each direction: requests are small, and nobody who
// was refused shall hold more. The kernel doubles it.
constexpr int kReceiveBytes = 16 * 1024;

Result<void> set_option(int fd, int level, int option, int value, const char* name) {
  if (setsockopt(fd, level, option, &value, sizeof(value)) == 0) return {};
  return fail_errno(std::string("cannot set ") + name + " on a socket for replies", errno);
}

// Connections inherit the options.
Result<void> prepare(int fd, const sockaddr* address, socklen_t size) {
  const bool ipv6 = address->sa_family == AF_INET6;
  // A namespace whose loopback interface is down has no loopback address to bind to.
  Result<void> ok = ipv6 ? set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND")
                         : set_option(fd, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND");
  // bpf_sk_assign takes no IPv6-only socket for IPv4, and no other for IPv6 where both exist.
  if (ok && ipv6) ok = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
  if (ok) ok = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
  if (ok) ok = set_option(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBytes, "SO_RCVBUF");
  if (!ok) return ok;
  if (bind(fd, address, size) != 0) return fail_errno("cannot bind a socket for replies", errno);
  if (listen(fd, kBacklog) != 0) return fail_errno("cannot listen for replies", errno);
  return {};
}

Result<UniqueFd> open_listener(const sockaddr* address, socklen_t size) {
  UniqueFd fd(socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd && errno == EAFNOSUPPORT && address->sa_family == AF_INET6) return fd;
  if (!fd) return fail_errno("cannot open a socket for replies", errno);
  if (Result<void> ok = prepare(fd.get(), address, size); !ok) return tl::unexpected(ok.error());
  return fd;
}

}  // namespace

Result<Listeners> open_listeners() {
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 ipv6{};
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_addr = in6addr_loopback;

  Listeners listeners;
  Result<UniqueFd> fd = open_listener(reinterpret_cast<const sockaddr*>(&ipv4), sizeof(ipv4));
  if (!fd) return tl::unexpected(fd.error());
  listeners.ipv4 = std::move(*fd);
  fd = open_listener(reinterpret_cast<const sockaddr*>(&ipv6), sizeof(ipv6));
  if (!fd) return tl::unexpected(fd.error());
  listeners.ipv6 = std::move(*fd);
  return listeners;
}

}  // namespace headgate::reply
