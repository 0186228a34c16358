// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/unique_fd.h"
#include "daemon/reply/conversation.h"

namespace headgate::reply {

using Clock = std::chrono::steady_clock;

// The longest that a connection lasts.
inline constexpr std::chrono::seconds kLifetime{1};

// How much is read, to no purpose, from a client that goes on sending after its answer. Closing
// instead would make the kernel send a RST, which takes the answer from under the client's nose.
inline constexpr std::size_t kMaxDiscardedBytes = 1024 * 1024;

// Closes with a RST.
void reset(UniqueFd fd);

// One refused connection: carries a conversation to its socket and closes in order. Holds what the
// socket did not take of the answer, and nothing that the client sent. Never blocks.
//
// Call open() once, then ready() when the socket is, unless done(). Not thread-safe.
class Connection {
 public:
  // `socket` is non-blocking.
  Connection(UniqueFd socket, std::unique_ptr<Conversation> conversation, Clock::time_point now);

  void open();
  void ready(Clock::time_point now);
  // To be called at deadline(), or later.
  void deadline_passed(Clock::time_point now);
  Clock::time_point deadline() const { return patience_end_.value_or(end_); }
  void abort() { reset(std::move(socket_)); }

  int fd() const { return socket_.get(); }
  std::uint32_t wanted_events() const;  // of epoll; EPOLLHUP and EPOLLERR come anyway
  bool done() const { return !socket_; }
  bool answered() const { return answered_; }  // the socket took the whole answer

 private:
  void read(Clock::time_point now);
  void discard();
  void take(Step step);
  void send_unsent();

  UniqueFd socket_;
  std::unique_ptr<Conversation> conversation_;
  Clock::time_point end_;
  std::optional<Clock::time_point> patience_end_;  // while it matters
  bool spoke_ = false;                             // the client did
  Step::Next next_ = Step::Next::kRead;            // once unsent_ is sent
  std::string unsent_;
  bool answered_ = false;
  std::size_t discarded_ = 0;
};

}  // namespace headgate::reply
