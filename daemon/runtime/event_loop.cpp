// SPDX-License-Identifier: Apache-2.0
#include "daemon/runtime/event_loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace headgate::runtime {

Result<Signals> Signals::block() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A log reader that goes away must not end the limits.
  signal(SIGPIPE, SIG_IGN);
  Signals signals;
  signals.fd_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.fd_) return fail_errno("cannot open a signalfd", errno);
  return signals;
}

int Signals::read() const {
  signalfd_siginfo info{};
  if (::read(fd(), &info, sizeof(info)) != sizeof(info)) return 0;
  return static_cast<int>(info.ssi_signo);
}

void EventLoop::watch(int fd, std::function<void()> on_readable) {
  watched_.push_back({fd, std::move(on_readable)});
}

void EventLoop::every(std::chrono::milliseconds period, std::function<void()> on_tick) {
  period_ = period;
  on_tick_ = std::move(on_tick);
}

Result<int> EventLoop::run() {
  using Clock = std::chrono::steady_clock;
  std::vector<pollfd> polled;
  for (const Watched& watched : watched_) polled.push_back({watched.fd, POLLIN, 0});
  auto next_tick = Clock::now() + period_;
  while (!stopped_by_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_tick - Clock::now());
    const int wait_ms = static_cast<int>(std::max<std::int64_t>(0, left.count()));
    const int ready = poll(polled.data(), polled.size(), wait_ms);
    if (ready < 0 && errno != EINTR) return fail_errno("poll", errno);
    for (std::size_t i = 0; ready > 0 && i < polled.size(); ++i) {
      if ((polled[i].revents & POLLIN) != 0) watched_[i].on_readable();
    }
    if (on_tick_ && Clock::now() >= next_tick) {
      on_tick_();
      next_tick = Clock::now() + period_;
    }
  }
  return *stopped_by_;
}

}  // namespace headgate::runtime
