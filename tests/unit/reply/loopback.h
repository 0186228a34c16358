// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <system_error>

#include <cerrno>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "daemon/reply/reply_server.h"

namespace headgate::reply {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

inline void check(bool ok, const char* what) {
  if (!ok) throw std::system_error(errno, std::generic_category(), what);
}

inline milliseconds since(SteadyClock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(SteadyClock::now() - begin);
}

// Waits up to five seconds.
inline bool becomes_true(const std::function<bool()>& condition) {
  const auto begin = SteadyClock::now();
  while (!condition()) {
    if (since(begin) > milliseconds(5000)) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

// Lets this process open `count` files.
inline void allow_files(rlim_t count) {
  rlimit limit{};
  check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  if (limit.rlim_cur >= count) return;
  limit.rlim_cur = count;
  check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "cannot raise the number of open files");
}

inline std::uint16_t port_of(const UniqueFd& listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  check(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0,
        "getsockname");
  // The port stands at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

struct Ports {
  std::uint16_t ipv4 = 0;
  std::uint16_t ipv6 = 0;
};

inline Ports add(ReplyServer& server, std::uint32_t slot, const config::Reply& reply) {
  Result<Listeners> listeners = open_listeners();
  if (!listeners) throw std::runtime_error(listeners.error().to_string());
  Ports ports{.ipv4 = port_of(listeners->ipv4), .ipv6 = 0};
  if (listeners->ipv6) ports.ipv6 = port_of(listeners->ipv6);
  const Result<void> added = server.add(slot, reply, std::move(*listeners));
  if (!added) throw std::runtime_error(added.error().to_string());
  return ports;
}

// A server with one reply, in slot 0.
struct OneReply {
  explicit OneReply(
      config::ReplyKind kind, const std::string& raw = "", std::uint32_t max_at_once = 4096,
      RetryAfter retry_after = [](const Refused&) { return std::chrono::seconds(7); })
      : server(start(max_at_once, std::move(retry_after))), ports(add(server, 0, {kind, raw})) {}

  static ReplyServer start(std::uint32_t max_at_once, RetryAfter retry_after) {
    Result<ReplyServer> started = ReplyServer::start(max_at_once, std::move(retry_after));
    if (!started) throw std::runtime_error(started.error().to_string());
    return std::move(*started);
  }

  ReplyServer server;
  Ports ports;
};

inline UniqueFd tcp_socket(int family = AF_INET) {
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  check(static_cast<bool>(fd), "socket");
  return fd;
}

inline void connect_to(const UniqueFd& fd, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
        "connect");
}

inline UniqueFd connected(std::uint16_t port) {
  UniqueFd fd = tcp_socket();
  connect_to(fd, port);
  return fd;
}

inline UniqueFd connected_ipv6(std::uint16_t port) {
  UniqueFd fd = tcp_socket(AF_INET6);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  check(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
        "connect");
  return fd;
}

inline void say(const UniqueFd& fd, std::string_view bytes) {
  check(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()),
        "send");
}

// What a client read, and how it ended: in order, or with the errno of recv. ETIMEDOUT here means
// that it did not end within five seconds.
struct Heard {
  std::string bytes;
  int error = 0;
};

inline Heard hear_all(const UniqueFd& fd) {
  Heard heard;
  for (;;) {
    pollfd watched{fd.get(), POLLIN, 0};
    if (poll(&watched, 1, 5000) == 0) {
      heard.error = ETIMEDOUT;
      return heard;
    }
    char buffer[65536];
    const ssize_t size = recv(fd.get(), buffer, sizeof(buffer), 0);
    if (size < 0) heard.error = errno;
    if (size <= 0) return heard;
    heard.bytes.append(buffer, static_cast<std::size_t>(size));
  }
}

}  // namespace headgate::reply
