// SPDX-License-Identifier: Apache-2.0
#include "daemon/reply/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace headgate::reply {
namespace {

constexpr std::size_t kReadBytes = 4096;  // at once; another connection's turn comes after it

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

void reset(UniqueFd fd) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

Connection::Connection(UniqueFd socket, std::unique_ptr<Conversation> conversation,
                       Clock::time_point now)
    : socket_(std::move(socket)), conversation_(std::move(conversation)), end_(now + kLifetime) {}

void Connection::open() {
  take(conversation_->opened());
}

void Connection::ready(Clock::time_point now) {
  if (!unsent_.empty()) {
    send_unsent();
  } else if (answered_) {
    discard();
  } else {
    read(now);
  }
}

void Connection::deadline_passed(Clock::time_point now) {
  if (now >= end_) {
    abort();
  } else if (patience_end_ && now >= *patience_end_) {
    patience_end_.reset();
    take(conversation_->patience_ended());
  }
}

std::uint32_t Connection::wanted_events() const {
  if (!unsent_.empty()) return EPOLLOUT;
  return discarded_ < kMaxDiscardedBytes ? std::uint32_t{EPOLLIN} : 0;
}

void Connection::read(Clock::time_point now) {
  std::array<char, kReadBytes> buffer;
  const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (size < 0) {
    if (!would_block()) socket_.reset();
    return;
  }
  if (size > 0 && !std::exchange(spoke_, true)) {
    patience_end_ = std::min(now + kPatience, end_);
  }
  take(size == 0 ? conversation_->input_ended()
                 : conversation_->received({buffer.data(), static_cast<std::size_t>(size)}));
}

void Connection::discard() {
  // TCP drops the bytes without copying them (tcp(7)). After EPOLLHUP the bound does not matter:
  // all that is left is in the socket's buffer.
  const ssize_t size = recv(socket_.get(), nullptr, 64 * 1024, MSG_TRUNC);
  if (size > 0) {
    discarded_ += static_cast<std::size_t>(size);
  } else if (size == 0 || !would_block()) {
    socket_.reset();
  }
}

void Connection::take(Step step) {
  unsent_ += step.send;
  next_ = step.next;
  if (next_ != Step::Next::kRead) patience_end_.reset();
  send_unsent();
}

void Connection::send_unsent() {
  while (!unsent_.empty()) {
    const ssize_t size = send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      if (!would_block()) socket_.reset();
      return;
    }
    unsent_.erase(0, static_cast<std::size_t>(size));
  }
  if (next_ == Step::Next::kFinish && !answered_) {
    answered_ = true;
    shutdown(socket_.get(), SHUT_WR);
  } else if (next_ == Step::Next::kClose) {
    socket_.reset();
  }
}

}  // namespace headgate::reply
