// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <cstdint>
#include <cstring>

namespace headgate::kernel {

// A question to, or an order for, inet_diag.
struct DiagRequest {
  nlmsghdr header{};
  inet_diag_req_v2 query{};
};

inline DiagRequest make_diag_request(std::uint16_t type, std::uint16_t flags,
                                     std::uint32_t sequence) {
  DiagRequest request;
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  request.header.nlmsg_seq = sequence;
  request.query.sdiag_protocol = IPPROTO_TCP;
  return request;
}

// About exactly one socket, which `socket` (hg_socket, hg_event) tells the addresses and ports of.
template <typename Socket>
void ask_for(const Socket& socket, std::uint64_t cookie, DiagRequest& request) {
  // AF_INET6 finds IPv4 sockets as well when both addresses are IPv4-mapped, as ours are.
  request.query.sdiag_family = AF_INET6;
  request.query.idiag_states = ~0U;
  inet_diag_sockid& id = request.query.id;
  id.idiag_sport = htons(socket.local_port);
  id.idiag_dport = htons(socket.remote_port);
  id.idiag_if = socket.interface;
  std::memcpy(id.idiag_src, &socket.local, sizeof(id.idiag_src));
  std::memcpy(id.idiag_dst, &socket.remote, sizeof(id.idiag_dst));
  id.idiag_cookie[0] = static_cast<std::uint32_t>(cookie);
  id.idiag_cookie[1] = static_cast<std::uint32_t>(cookie >> 32);
}

}  // namespace headgate::kernel
