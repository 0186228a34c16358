// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/socket_killer.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/kernel/diag_request.h"

namespace headgate::kernel {
namespace {

// The errno in the kernel's acknowledgement of request `sequence`, 0 if it was carried out.
Result<int> read_acknowledgement(int netlink, std::uint32_t sequence) {
  alignas(nlmsghdr) std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t size = recv(netlink, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("cannot read from netlink", errno);
    nlmsghdr header{};
    nlmsgerr answer{};
    if (static_cast<std::size_t>(size) < NLMSG_HDRLEN + sizeof(answer)) continue;
    std::memcpy(&header, buffer.data(), sizeof(header));
    if (header.nlmsg_seq != sequence || header.nlmsg_type != NLMSG_ERROR) continue;
    std::memcpy(&answer, buffer.data() + NLMSG_HDRLEN, sizeof(answer));
    return -answer.error;
  }
}

}  // namespace

Result<SocketKiller> SocketKiller::open(const NetworkNamespace& netns) {
  SocketKiller killer;
  Result<void> inside = netns.run_inside([&killer]() -> Result<void> {
    killer.netlink_.reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!killer.netlink_) return fail_errno("cannot open a sock_diag netlink socket", errno);
    // An answer that does not come must not stop the event loop.
    const timeval patience{.tv_sec = 1, .tv_usec = 0};
    setsockopt(killer.netlink_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return {};
  });
  if (!inside) return tl::unexpected(inside.error());
  return killer;
}

Result<bool> SocketKiller::destroy(const hg_event& event) {
  DiagRequest request = make_diag_request(SOCK_DESTROY, NLM_F_ACK, ++sequence_);
  ask_for(event, event.socket_cookie, request);
  if (send(netlink_.get(), &request, sizeof(request), 0) != sizeof(request)) {
    return fail_errno("cannot send SOCK_DESTROY", errno);
  }
  Result<int> error = read_acknowledgement(netlink_.get(), sequence_);
  if (!error) return tl::unexpected(error.error());
  switch (*error) {
    case 0:
      return true;
    case ENOENT:
    case ESTALE:
      return false;
    case EOPNOTSUPP:
      return fail(ErrorCode::kUnsupported,
                  "this kernel cannot destroy sockets (CONFIG_INET_DIAG_DESTROY is off)");
    default:
      return fail_errno("SOCK_DESTROY", *error);
  }
}

}  // namespace headgate::kernel
