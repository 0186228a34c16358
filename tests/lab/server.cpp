// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>

#include "tests/lab/error.h"
#include "tests/lab/wait.h"

namespace headgate::lab {
namespace {

void watch(int epoll, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  check(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

}  // namespace

Server::Server(UniqueFd listener, ServerMode mode)
    : listener_(std::move(listener)),
      epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wakeup_(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      mode_(mode) {
  watch(epoll_.get(), wakeup_.get(), EPOLLIN);
  if (mode_ != ServerMode::kIgnore) watch(epoll_.get(), listener_.get(), EPOLLIN);
  thread_ = std::thread([this] { serve(); });
}

Server::~Server() {
  stop_ = true;
  ::eventfd_write(wakeup_.get(), 1);
  thread_.join();
  for (const int socket : open_) ::close(socket);
}

void Server::close_all(CloseKind kind) {
  close_request_ = static_cast<int>(kind);
  ::eventfd_write(wakeup_.get(), 1);
  if (!eventually(std::chrono::seconds(10), [this] { return close_request_ == -1; })) {
    throw LabError("the lab's server does not close its connections");
  }
}

void Server::serve() {
  std::array<epoll_event, 256> events;
  while (!stop_) {
    const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener_.get()) {
        accept_all();
      } else if (fd == wakeup_.get()) {
        eventfd_t ignored;
        ::eventfd_read(wakeup_.get(), &ignored);
      } else {
        read_or_close(fd);
      }
    }
    if (close_request_ >= 0) {
      accept_all();
      const auto kind = static_cast<CloseKind>(close_request_.load());
      for (const int socket : open_) close_socket(UniqueFd(socket), kind);
      open_.clear();
      close_request_ = -1;
    }
  }
}

void Server::accept_all() {
  // The bound keeps open connections served while new ones keep coming.
  for (int i = 0; i < 256; ++i) {
    const int socket = ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return;
    ++accepted_;
    if (mode_ == ServerMode::kClose) {
      ::close(socket);
      continue;
    }
    open_.insert(socket);
    watch(epoll_.get(), socket, EPOLLIN | EPOLLRDHUP);
  }
}

void Server::read_or_close(int socket) {
  // An event may be older than a close_all() of the same round.
  if (open_.count(socket) == 0) return;
  std::array<char, 4096> data;
  const auto received = ::recv(socket, data.data(), data.size(), 0);
  if (received > 0 || (received < 0 && (errno == EAGAIN || errno == EINTR))) return;
  open_.erase(socket);
  ::close(socket);
}

}  // namespace headgate::lab
