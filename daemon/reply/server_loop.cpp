// SPDX-License-Identifier: Apache-2.0
#include "daemon/reply/server_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace headgate::reply {
namespace {

// Epoll hands out what is ready in turn: what a round leaves out comes first in the next.
constexpr int kEventsPerRound = 256;

}  // namespace

bool control_epoll(const UniqueFd& epoll, int operation, int fd, std::uint32_t events,
                   std::uint64_t id) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  return epoll_ctl(epoll.get(), operation, fd, &event) == 0;
}

UniqueFd new_eventfd() {
  return UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

ServerLoop::ServerLoop(std::uint32_t max_at_once, RetryAfter retry_after)
    : max_at_once_(max_at_once), retry_after_(std::move(retry_after)) {}

Result<std::unique_ptr<ServerLoop>> ServerLoop::make(std::uint32_t max_at_once,
                                                     RetryAfter retry_after) {
  std::unique_ptr<ServerLoop> loop(new ServerLoop(max_at_once, std::move(retry_after)));
  if (Result<void> opened = loop->open(); !opened) return tl::unexpected(opened.error());
  return loop;
}

Result<void> ServerLoop::open() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  accept_.reset(epoll_create1(EPOLL_CLOEXEC));
  wake_ = new_eventfd();
  reserve_ = new_eventfd();
  if (!epoll_ || !accept_ || !wake_ || !reserve_ ||
      !control_epoll(epoll_, EPOLL_CTL_ADD, wake_.get(), EPOLLIN, kWake) ||
      !control_epoll(epoll_, EPOLL_CTL_ADD, accept_.get(), EPOLLIN, kAccept)) {
    return fail_errno("cannot set up the reply server", errno);
  }
  return {};
}

Counts ServerLoop::counts() const {
  return {.open = open_, .answered = answered_, .abandoned = abandoned_, .reset = reset_};
}

void ServerLoop::stop() {
  stopping_ = true;
  eventfd_write(wake_.get(), 1);
}

Result<void> ServerLoop::add(std::uint32_t slot, const config::Reply& reply, Listeners listeners) {
  const std::lock_guard lock(commands_mutex_);
  if (!in_use_.insert(slot).second) {
    return fail(ErrorCode::kInternal, "reply slot " + std::to_string(slot) + " is in use");
  }
  // Here, so that the caller learns of a failure. The thread carries out commands after it has
  // waited for events and before it looks at them: it knows the slot when one comes.
  Result<void> watched = watch_listener(listeners.ipv4.get(), listener_id(slot, false));
  if (watched) watched = watch_listener(listeners.ipv6.get(), listener_id(slot, true));
  if (!watched) {
    in_use_.erase(slot);
    return watched;
  }
  post({.slot = slot, .add = Slot{reply, std::move(listeners)}});
  return {};
}

Result<void> ServerLoop::watch_listener(int fd, std::uint64_t id) {
  if (fd < 0 || control_epoll(accept_, EPOLL_CTL_ADD, fd, EPOLLIN, id)) return {};
  return fail_errno("cannot wait for connections to reply to", errno);
}

void ServerLoop::remove(std::uint32_t slot) {
  const std::lock_guard lock(commands_mutex_);
  if (in_use_.erase(slot) != 0) post({.slot = slot, .add = std::nullopt});
}

void ServerLoop::post(Command command) {
  commands_.push_back(std::move(command));
  eventfd_write(wake_.get(), 1);
}

void ServerLoop::run() {
  while (!stopping_) wait();
  for (auto& [id, entry] : connections_) entry.connection.abort();
}

void ServerLoop::wait() {
  std::array<epoll_event, kEventsPerRound> events;
  const int ready = epoll_wait(epoll_.get(), events.data(), kEventsPerRound, timeout_ms());
  carry_out_commands();
  for (int i = 0; i < ready; ++i) {
    const std::uint64_t id = events.at(static_cast<std::size_t>(i)).data.u64;
    if (id == kWake) {
      eventfd_t ignored = 0;
      eventfd_read(wake_.get(), &ignored);
    } else if (id == kAccept) {
      accept_round();
    } else if (const auto entry = connections_.find(id); entry != connections_.end()) {
      entry->second.connection.ready(Clock::now());
      settle(entry);
    }
  }
  pass_deadlines();
}

// Until the next deadline, rounded up; -1 for ever.
int ServerLoop::timeout_ms() const {
  Clock::time_point until = resume_accepting_at_.value_or(Clock::time_point::max());
  if (!deadlines_.empty()) until = std::min(until, deadlines_.begin()->first);
  if (until == Clock::time_point::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

void ServerLoop::carry_out_commands() {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(commands_mutex_);
    commands.swap(commands_);
  }
  for (Command& command : commands) {
    if (command.add) {
      slots_.insert_or_assign(command.slot, std::move(*command.add));
    } else {
      close_slot(command.slot);
    }
  }
}

// Afterwards `entry` may be gone.
void ServerLoop::settle(Connections::iterator entry) {
  auto& [id, state] = *entry;
  const Connection& connection = state.connection;
  if (connection.done()) {
    ++(connection.answered() ? answered_ : abandoned_);
    --open_;
    deadlines_.erase({state.deadline, id});
    connections_.erase(entry);
    return;
  }
  if (const Clock::time_point deadline = connection.deadline(); deadline != state.deadline) {
    deadlines_.erase({state.deadline, id});
    deadlines_.emplace(deadline, id);
    state.deadline = deadline;
  }
  if (const std::uint32_t events = connection.wanted_events(); events != state.watched_events) {
    // Should this fail, the deadline still ends the connection.
    control_epoll(epoll_, EPOLL_CTL_MOD, connection.fd(), events, id);
    state.watched_events = events;
  }
}

void ServerLoop::pass_deadlines() {
  const Clock::time_point now = Clock::now();
  if (resume_accepting_at_ && *resume_accepting_at_ <= now) resume_accepting();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto entry = connections_.find(deadlines_.begin()->second);
    entry->second.connection.deadline_passed(now);
    settle(entry);
  }
}

}  // namespace headgate::reply
