// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/socket.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "tests/lab/error.h"

namespace headgate::lab {
namespace {

void set_option(const UniqueFd& socket, int level, int name, int value, const char* what) {
  check(::setsockopt(socket.get(), level, name, &value, sizeof value), what);
}

UniqueFd open_socket(int family) {
  return UniqueFd(check(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP),
                        "socket (a process may have too few file descriptors)"));
}

void bind_to(const UniqueFd& socket, const Endpoint& from) {
  const SocketAddress local = to_socket_address(from);
  // Any address that is routed to this host, even if no interface carries it.
  if (local.family() == AF_INET6) {
    set_option(socket, IPPROTO_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND");
  } else {
    set_option(socket, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND");
  }
  if (from.port == 0) {
    // Leaves the choice of the port to connect(), which may use one port for many destinations.
    set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, "IP_BIND_ADDRESS_NO_PORT");
  } else {
    set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  }
  check(::bind(socket.get(), local.get(), local.length), "bind");
}

int start(const UniqueFd& socket, const SocketAddress& remote, const std::string& data) {
  if (data.empty()) return ::connect(socket.get(), remote.get(), remote.length);
  const auto sent = ::sendto(socket.get(), data.data(), data.size(), MSG_FASTOPEN | MSG_NOSIGNAL,
                             remote.get(), remote.length);
  return sent < 0 ? -1 : 0;
}

int wait_for_answer(const UniqueFd& socket, std::chrono::milliseconds timeout) {
  pollfd wanted{socket.get(), POLLOUT, 0};
  const int ready = ::poll(&wanted, 1, static_cast<int>(timeout.count()));
  if (ready == 0) return ETIMEDOUT;
  int error = 0;
  socklen_t length = sizeof error;
  check(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length), "SO_ERROR");
  return error;
}

}  // namespace

ConnectResult connect_to(const Endpoint& to, const ConnectOptions& options) {
  const SocketAddress remote = to_socket_address(to);
  ConnectResult result;
  result.socket = open_socket(remote.family());
  if (options.from) bind_to(result.socket, *options.from);

  const auto begin = std::chrono::steady_clock::now();
  if (start(result.socket, remote, options.fast_open_data) < 0 && errno != EINPROGRESS) {
    result.error = errno;
  } else {
    result.error = wait_for_answer(result.socket, options.timeout);
  }
  result.duration = std::chrono::steady_clock::now() - begin;
  if (result.error != 0) result.socket.reset();
  return result;
}

UniqueFd listen_on(const Endpoint& at, const ListenOptions& options) {
  const SocketAddress local = to_socket_address(at);
  UniqueFd socket = open_socket(local.family());
  set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  if (options.reuse_port) set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
  if (local.family() == AF_INET6) {
    set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, options.dual_stack ? 0 : 1, "IPV6_V6ONLY");
  }
  check(::bind(socket.get(), local.get(), local.length), "bind the listener");
  if (options.fast_open_queue > 0) {
    set_option(socket, IPPROTO_TCP, TCP_FASTOPEN, options.fast_open_queue, "TCP_FASTOPEN");
  }
  check(::listen(socket.get(), options.backlog), "listen");
  return socket;
}

UniqueFd accept_from(const UniqueFd& listener, std::chrono::milliseconds timeout) {
  pollfd wanted{listener.get(), POLLIN, 0};
  if (::poll(&wanted, 1, static_cast<int>(timeout.count())) != 1) return UniqueFd();
  return UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

void close_socket(UniqueFd socket, CloseKind kind) {
  if (kind == CloseKind::kReset) {
    const linger at_once{1, 0};
    check(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "SO_LINGER");
  }
  socket.reset();
}

bool closed_by_peer(const UniqueFd& socket, std::chrono::milliseconds timeout) {
  pollfd wanted{socket.get(), POLLIN | POLLRDHUP, 0};
  if (::poll(&wanted, 1, static_cast<int>(timeout.count())) != 1) return false;
  return (wanted.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace headgate::lab
