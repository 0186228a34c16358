// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/socket_killer.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace headgate::kernel {
namespace {

constexpr std::uint32_t kAnyState = 0xffffffffU;

struct Request {
  nlmsghdr header{};
  inet_diag_req_v2 query{};
};

Request make_request(const hg_event& event, std::uint32_t sequence) {
  Request request;
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = SOCK_DESTROY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.header.nlmsg_seq = sequence;
  // AF_INET6 finds IPv4 sockets as well when both addresses are IPv4-mapped, as ours are.
  request.query.sdiag_family = AF_INET6;
  request.query.sdiag_protocol = IPPROTO_TCP;
  request.query.idiag_states = kAnyState;
  inet_diag_sockid& id = request.query.id;
  id.idiag_sport = htons(event.local_port);
  id.idiag_dport = htons(event.remote_port);
  id.idiag_if = event.interface;
  std::memcpy(id.idiag_src, &event.local, sizeof(id.idiag_src));
  std::memcpy(id.idiag_dst, &event.remote, sizeof(id.idiag_dst));
  id.idiag_cookie[0] = static_cast<std::uint32_t>(event.socket_cookie);
  id.idiag_cookie[1] = static_cast<std::uint32_t>(event.socket_cookie >> 32);
  return request;
}

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
  const Request request = make_request(event, ++sequence_);
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
