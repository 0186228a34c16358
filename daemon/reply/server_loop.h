// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/reply/connection.h"
#include "daemon/reply/reply_server.h"

namespace headgate::reply {

// What ServerLoop::epoll_ says is ready: these two, or a connection by its number. Numbers are not
// used again, so an event that the end of its connection has overtaken meets nobody else.
inline constexpr std::uint64_t kWake = 0;
inline constexpr std::uint64_t kAccept = 1;
inline constexpr std::uint64_t kFirstConnection = 2;

// What ServerLoop::accept_ says is ready.
inline std::uint64_t listener_id(std::uint32_t slot, bool ipv6) {
  return static_cast<std::uint64_t>(slot) << 1 | (ipv6 ? 1 : 0);
}

// epoll_ctl; false leaves the reason in errno.
bool control_epoll(const UniqueFd& epoll, int operation, int fd, std::uint32_t events,
                   std::uint64_t id);

UniqueFd new_eventfd();

// What the server's thread runs: accepts, serves and ends connections, one small piece of work at a
// time, so that none waits long for another.
//
// run() and everything private belong to one thread; the rest is thread-safe.
class ServerLoop {
 public:
  static Result<std::unique_ptr<ServerLoop>> make(std::uint32_t max_at_once,
                                                  RetryAfter retry_after);

  void run();  // until stop(); resets what is open then
  void stop();
  Result<void> add(std::uint32_t slot, const config::Reply& reply, Listeners listeners);
  void remove(std::uint32_t slot);
  Counts counts() const;

 private:
  struct Slot {
    config::Reply reply;
    Listeners listeners;
  };
  struct Command {
    std::uint32_t slot = 0;
    std::optional<Slot> add;  // none: remove it
  };
  struct Entry {
    Connection connection;
    Clock::time_point deadline;        // as it stands in deadlines_
    std::uint32_t watched_events = 0;  // as epoll knows them
  };
  using Connections = std::unordered_map<std::uint64_t, Entry>;

  ServerLoop(std::uint32_t max_at_once, RetryAfter retry_after);
  Result<void> open();
  void post(Command command);
  Result<void> watch_listener(int fd, std::uint64_t id);

  void wait();
  int timeout_ms() const;
  void carry_out_commands();
  void settle(Connections::iterator entry);
  void pass_deadlines();

  // In server_accept.cpp.
  void accept_round();
  void accept_some(int listener, const config::Reply& reply, int at_most);
  void shed_one(int listener);
  void pause_accepting();
  void resume_accepting();
  void close_slot(std::uint32_t slot);
  void begin(UniqueFd socket, const config::Reply& reply);
  std::chrono::seconds ask_retry_after(int socket) const;

  const std::uint32_t max_at_once_;
  const RetryAfter retry_after_;
  UniqueFd wake_;    // an eventfd: commands, or stop
  UniqueFd epoll_;   // wake_, accept_ and the connections
  UniqueFd accept_;  // an epoll of the listeners, so that all can be left alone for a while at once
  UniqueFd reserve_;  // given up for a moment when the process may open no more files
  std::atomic<bool> stopping_{false};
  std::mutex commands_mutex_;
  std::vector<Command> commands_;   // under the mutex
  std::set<std::uint32_t> in_use_;  // slots; under the mutex

  std::map<std::uint32_t, Slot> slots_;
  std::optional<Clock::time_point> resume_accepting_at_;
  Connections connections_;
  std::uint64_t next_id_ = kFirstConnection;
  std::set<std::pair<Clock::time_point, std::uint64_t>> deadlines_;

  std::atomic<std::uint32_t> open_{0};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<std::uint64_t> abandoned_{0};
  std::atomic<std::uint64_t> reset_{0};
};

}  // namespace headgate::reply
