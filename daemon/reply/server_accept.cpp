// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/reply/server_loop.h"

namespace headgate::reply {
namespace {

// What one round takes on at most, a few milliseconds of work. Epoll hands out the listeners in
// turn, so none keeps another waiting.
constexpr int kListenersPerRound = 16;
constexpr int kAcceptsPerListener = 8;
// When a listener is removed, those that still wait at it are let in: up to so many.
constexpr int kAcceptsAtRemoval = 256;

constexpr int kNetnsCookie = 71;  // SO_NETNS_COOKIE, Linux 5.14

// How long nothing is accepted when nothing can be.
constexpr std::chrono::milliseconds kPause{50};

struct SocketAddress {
  IpAddress address;
  std::uint16_t port = 0;
};

SocketAddress from_sockaddr(const sockaddr_storage& storage) {
  IpAddress::Bytes bytes{};
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 ipv6{};
    std::memcpy(&ipv6, &storage, sizeof(ipv6));
    std::memcpy(bytes.data(), &ipv6.sin6_addr, bytes.size());
    return {IpAddress(bytes), ntohs(ipv6.sin6_port)};
  }
  sockaddr_in ipv4{};
  std::memcpy(&ipv4, &storage, sizeof(ipv4));
  bytes[10] = bytes[11] = 0xff;
  std::memcpy(&bytes[12], &ipv4.sin_addr, sizeof(ipv4.sin_addr));
  return {IpAddress(bytes), ntohs(ipv4.sin_port)};
}

UniqueFd accept_one(int listener) {
  return UniqueFd(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

}  // namespace

void ServerLoop::accept_round() {
  std::array<epoll_event, kListenersPerRound> events;
  const int ready = epoll_wait(accept_.get(), events.data(), kListenersPerRound, 0);
  for (int i = 0; i < ready && !resume_accepting_at_; ++i) {
    const std::uint64_t id = events.at(static_cast<std::size_t>(i)).data.u64;
    const auto slot = slots_.find(static_cast<std::uint32_t>(id >> 1));
    if (slot == slots_.end()) continue;
    const Listeners& listeners = slot->second.listeners;
    const bool ipv6 = id == listener_id(slot->first, true);
    accept_some((ipv6 ? listeners.ipv6 : listeners.ipv4).get(), slot->second.reply,
                kAcceptsPerListener);
  }
}

void ServerLoop::accept_some(int listener, const config::Reply& reply, int at_most) {
  for (int i = 0; i < at_most; ++i) {
    UniqueFd socket = accept_one(listener);
    if (socket) {
      begin(std::move(socket), reply);
    } else if (errno == EMFILE || errno == ENFILE) {
      shed_one(listener);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      pause_accepting();
    }
    if (resume_accepting_at_) return;
  }
}

// Out of file descriptors: the reserve serves to accept one and reset it. Left in the queue, it
// would keep the listener readable and its client waiting.
void ServerLoop::shed_one(int listener) {
  reserve_.reset();
  UniqueFd socket = accept_one(listener);
  if (socket) {
    ++reset_;
    reset(std::move(socket));
  } else if (errno != EAGAIN) {
    pause_accepting();
  }
  reserve_ = new_eventfd();
}

void ServerLoop::pause_accepting() {
  if (resume_accepting_at_) return;
  control_epoll(epoll_, EPOLL_CTL_MOD, accept_.get(), 0, kAccept);
  resume_accepting_at_ = Clock::now() + kPause;
}

void ServerLoop::resume_accepting() {
  control_epoll(epoll_, EPOLL_CTL_MOD, accept_.get(), EPOLLIN, kAccept);
  resume_accepting_at_.reset();
}

void ServerLoop::close_slot(std::uint32_t slot) {
  const auto found = slots_.find(slot);
  if (found == slots_.end()) return;
  const Listeners& listeners = found->second.listeners;
  for (const int fd : {listeners.ipv4.get(), listeners.ipv6.get()}) {
    if (fd < 0) continue;
    accept_some(fd, found->second.reply, kAcceptsAtRemoval);
    control_epoll(accept_, EPOLL_CTL_DEL, fd, 0, 0);  // another descriptor may keep it open
  }
  slots_.erase(found);
}

void ServerLoop::begin(UniqueFd socket, const config::Reply& reply) {
  const std::uint64_t id = next_id_;
  const int fd = socket.get();
  if (connections_.size() >= max_at_once_ ||
      !control_epoll(epoll_, EPOLL_CTL_ADD, fd, EPOLLIN, id)) {
    ++reset_;
    reset(std::move(socket));
    return;
  }
  ++next_id_;
  ++open_;
  auto conversation = begin_conversation(reply, [this, fd] { return ask_retry_after(fd); });
  Connection connection(std::move(socket), std::move(conversation), Clock::now());
  const Clock::time_point deadline = connection.deadline();
  deadlines_.emplace(deadline, id);
  const auto entry =
      connections_.emplace(id, Entry{std::move(connection), deadline, EPOLLIN}).first;
  entry->second.connection.open();
  settle(entry);
}

std::chrono::seconds ServerLoop::ask_retry_after(int socket) const {
  sockaddr_storage client{};
  sockaddr_storage server{};
  socklen_t client_size = sizeof(client);
  socklen_t server_size = sizeof(server);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&client), &client_size) != 0 ||
      getsockname(socket, reinterpret_cast<sockaddr*>(&server), &server_size) != 0) {
    return {};  // the client is gone: nobody will read it
  }
  const auto [address, port] = from_sockaddr(server);
  std::uint64_t netns_cookie = 0;
  socklen_t cookie_size = sizeof(netns_cookie);
  getsockopt(socket, SOL_SOCKET, kNetnsCookie, &netns_cookie, &cookie_size);
  return retry_after_({.client = from_sockaddr(client).address,
                       .server = address,
                       .port = port,
                       .netns_cookie = netns_cookie});
}

}  // namespace headgate::reply
