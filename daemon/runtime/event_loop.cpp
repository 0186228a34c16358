// SPDX-License-Identifier: Apache-2.0
#include "daemon/runtime/event_loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>

namespace headgate::runtime {

Result<StopSignals> StopSignals::block() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // Neither a log reader that goes away nor a closed terminal may end the limits.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  StopSignals stop;
  stop.fd_.reset(signalfd(-1, &signals, SFD_CLOEXEC));
  if (!stop.fd_) return fail_errno("cannot open a signalfd", errno);
  return stop;
}

int StopSignals::read() const {
  signalfd_siginfo info{};
  if (::read(fd(), &info, sizeof(info)) != sizeof(info)) return 0;
  return static_cast<int>(info.ssi_signo);
}

Result<int> run_event_loop(const StopSignals& signals, int fd, std::chrono::milliseconds period,
                           const std::function<void()>& on_readable,
                           const std::function<void()>& on_tick) {
  using Clock = std::chrono::steady_clock;
  std::array<pollfd, 2> watched{{{signals.fd(), POLLIN, 0}, {fd, POLLIN, 0}}};
  auto next_tick = Clock::now() + period;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_tick - Clock::now());
    const int wait_ms = static_cast<int>(std::max<std::int64_t>(0, left.count()));
    const int ready = poll(watched.data(), watched.size(), wait_ms);
    if (ready < 0 && errno != EINTR) return fail_errno("poll", errno);
    if (ready > 0 && (watched[0].revents & POLLIN) != 0) return signals.read();
    if (ready > 0 && (watched[1].revents & POLLIN) != 0) on_readable();
    if (Clock::now() >= next_tick) {
      on_tick();
      next_tick = Clock::now() + period;
    }
  }
}

}  // namespace headgate::runtime
