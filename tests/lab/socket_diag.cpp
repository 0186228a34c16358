// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/socket_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "tests/lab/error.h"

namespace headgate::lab {
namespace {

// The kernel keeps what is left of a connection, once its owner has closed it, as a small record
// in place of the socket, and shows it in state TIME_WAIT or FIN_WAIT2 with this timer.
constexpr int kTimeWaitTimer = 3;

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

IpAddress to_address(int family, const __be32 (&words)[4]) {
  IpAddress::Bytes bytes{};
  if (family == AF_INET) {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(bytes.data() + 12, words, 4);
  } else {
    std::memcpy(bytes.data(), words, 16);
  }
  return IpAddress(bytes);
}

LiveSocket to_socket(const inet_diag_msg& message) {
  LiveSocket socket;
  std::memcpy(&socket.cookie, message.id.idiag_cookie, sizeof socket.cookie);
  socket.state = message.idiag_state;
  socket.is_time_wait = message.idiag_timer == kTimeWaitTimer;
  const int family = message.idiag_family;
  socket.local = {to_address(family, message.id.idiag_src), ntohs(message.id.idiag_sport)};
  socket.remote = {to_address(family, message.id.idiag_dst), ntohs(message.id.idiag_dport)};
  return socket;
}

bool matches(const LiveSocket& socket, const SocketFilter& filter) {
  if (socket.is_time_wait != ((filter.states & tcp_state(TCP_TIME_WAIT)) != 0)) return false;
  if (!filter.remote) return true;
  return socket.remote.address.family() == filter.remote->address.family() &&
         Prefix::of(socket.remote.address, filter.remote->length) == *filter.remote;
}

}  // namespace

SocketDiag::SocketDiag(const NetworkNamespace& network)
    : netlink_(network.run([] {
        return check(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG),
                     "netlink socket");
      })) {}

std::vector<LiveSocket> SocketDiag::list(const SocketFilter& filter) const {
  std::vector<LiveSocket> sockets = list(filter, IpFamily::kIpv4);
  const std::vector<LiveSocket> ipv6 = list(filter, IpFamily::kIpv6);
  sockets.insert(sockets.end(), ipv6.begin(), ipv6.end());
  return sockets;
}

std::vector<LiveSocket> SocketDiag::list(const SocketFilter& filter, IpFamily family) const {
  Request request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = family == IpFamily::kIpv4 ? AF_INET : AF_INET6;
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = filter.states;
  request.body.id.idiag_sport = htons(filter.local_port);
  check(::send(netlink_.get(), &request, sizeof request, 0), "send to inet_diag");

  std::vector<LiveSocket> sockets;
  alignas(nlmsghdr) std::array<char, 64 * 1024> buffer;
  while (true) {
    const auto received =
        check(::recv(netlink_.get(), buffer.data(), buffer.size(), 0), "receive from inet_diag");
    auto remaining = static_cast<unsigned>(received);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(header, remaining);
         header = NLMSG_NEXT(header, remaining)) {
      if (header->nlmsg_type == NLMSG_DONE) return sockets;
      if (header->nlmsg_type == NLMSG_ERROR) {
        const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
        errno = -error->error;
        check(-1, "inet_diag");
      }
      const LiveSocket socket = to_socket(*static_cast<const inet_diag_msg*>(NLMSG_DATA(header)));
      if (matches(socket, filter)) sockets.push_back(socket);
    }
  }
}

}  // namespace headgate::lab
