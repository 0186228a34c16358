// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <set>
#include <thread>

#include "tests/lab/socket.h"
#include "tests/lab/topology.h"

namespace headgate::lab {

// What a server does with a connection that it has accepted.
enum class ServerMode {
  kHold,    // keep it until the client closes, then close too
  kClose,   // close it at once
  kIgnore,  // never accept it
};

// A TCP server on a thread of its own, from construction to destruction.
class Server {
 public:
  explicit Server(UniqueFd listener, ServerMode mode = ServerMode::kHold);
  Server(const Host& host, const Endpoint& at, const ListenOptions& options = {},
         ServerMode mode = ServerMode::kHold)
      : Server(host.listen(at, options), mode) {}
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Accepted so far.
  std::uint64_t accepted() const { return accepted_; }
  // Closes every connection that is open now, in its own way; returns when it is done.
  void close_all(CloseKind kind);

 private:
  void serve();
  void accept_all();
  void read_or_close(int socket);

  UniqueFd listener_;
  UniqueFd epoll_;
  UniqueFd wakeup_;
  ServerMode mode_;
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<int> close_request_{-1};  // a CloseKind, or -1
  std::atomic<bool> stop_{false};
  std::set<int> open_;  // the thread's own
  std::thread thread_;
};

}  // namespace headgate::lab
