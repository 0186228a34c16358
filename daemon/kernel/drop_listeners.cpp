// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/drop_listeners.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace headgate::kernel {
namespace {

Result<void> keep_nothing(int fd) {
  sock_filter keep_none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog program{1, keep_none};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0) {
    return fail_errno("cannot set the filter of the socket for on_limit: drop", errno);
  }
  return {};
}

// Bound to a port of the loopback address, where nobody looks for it.
Result<UniqueFd> listen_on_loopback(int family) {
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("cannot open the socket for on_limit: drop", errno);
  const int on = 1;
  sockaddr_storage address{};
  socklen_t size = sizeof(sockaddr_in);
  if (family == AF_INET) {
    auto* ipv4 = reinterpret_cast<sockaddr_in*>(&address);
    ipv4->sin_family = AF_INET;
    ipv4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    auto* ipv6 = reinterpret_cast<sockaddr_in6*>(&address);
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_addr = IN6ADDR_LOOPBACK_INIT;
    size = sizeof(sockaddr_in6);
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  // The loopback interface of a namespace may be down.
  setsockopt(fd.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
  if (Result<void> filtered = keep_nothing(fd.get()); !filtered) {
    return tl::unexpected(filtered.error());
  }
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      listen(fd.get(), 1) != 0) {
    return fail_errno("cannot listen for on_limit: drop", errno);
  }
  return fd;
}

}  // namespace

Result<DropListeners> DropListeners::open(const NetworkNamespace& netns) {
  DropListeners listeners;
  const Result<void> opened = netns.run_inside([&]() -> Result<void> {
    Result<UniqueFd> ipv4 = listen_on_loopback(AF_INET);
    if (!ipv4) return tl::unexpected(ipv4.error());
    listeners.ipv4 = std::move(*ipv4);
    // A host without IPv6 has no IPv6 clients either.
    if (Result<UniqueFd> ipv6 = listen_on_loopback(AF_INET6)) listeners.ipv6 = std::move(*ipv6);
    return {};
  });
  if (!opened) return tl::unexpected(opened.error());
  return listeners;
}

}  // namespace headgate::kernel
