// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/tcp.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "common/ip.h"
#include "common/unique_fd.h"
#include "tests/lab/endpoint.h"
#include "tests/lab/network_namespace.h"

namespace headgate::lab {

using TcpStates = std::uint32_t;  // bit 1 << TCP_ESTABLISHED and so on
constexpr TcpStates tcp_state(int state) {
  return 1U << state;
}

// What headgate counts: sockets past their handshake.
inline constexpr TcpStates kCountedStates = tcp_state(TCP_ESTABLISHED) | tcp_state(TCP_FIN_WAIT1) |
                                            tcp_state(TCP_FIN_WAIT2) | tcp_state(TCP_CLOSE_WAIT) |
                                            tcp_state(TCP_LAST_ACK) | tcp_state(TCP_CLOSING);
// What is left of connections whose sockets are gone; ask for it alone.
inline constexpr TcpStates kTimeWait = tcp_state(TCP_TIME_WAIT) | tcp_state(TCP_FIN_WAIT2);
inline constexpr TcpStates kHalfOpen = tcp_state(TCP_SYN_RECV);

struct LiveSocket {
  std::uint64_t cookie = 0;  // identifies the socket while it lives
  int state = 0;             // TCP_ESTABLISHED, …
  bool is_time_wait = false;
  Endpoint local;
  Endpoint remote;
};

struct SocketFilter {
  std::uint16_t local_port = 0;                 // 0: any
  std::optional<Prefix> remote = std::nullopt;  // none: any
  TcpStates states = kCountedStates;
};

// Asks the kernel (inet_diag) which TCP sockets live in one namespace: the truth that counters are
// compared with. A listing of a changing set is not a snapshot: see storm_test.cpp. Not
// thread-safe.
class SocketDiag {
 public:
  explicit SocketDiag(const NetworkNamespace& network);

  // IPv4 and IPv6, or only one of them (half the time).
  std::vector<LiveSocket> list(const SocketFilter& filter) const;
  std::vector<LiveSocket> list(const SocketFilter& filter, IpFamily family) const;
  std::size_t count(const SocketFilter& filter) const { return list(filter).size(); }

 private:
  UniqueFd netlink_;
};

}  // namespace headgate::lab
