// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>

#include "common/result.h"
#include "common/unique_fd.h"

namespace headgate::runtime {

// SIGTERM and SIGINT as a file descriptor; SIGPIPE and SIGHUP are ignored. Make it before the first
// thread, so that every thread inherits the blocked signals.
class StopSignals {
 public:
  static Result<StopSignals> block();
  int fd() const { return fd_.get(); }
  // The number of the signal that has arrived.
  int read() const;

 private:
  UniqueFd fd_;
};

// Calls `on_readable` whenever `fd` is readable and `on_tick` at least once a `period`, until a
// stop signal arrives. Returns its number.
Result<int> run_event_loop(const StopSignals& signals, int fd, std::chrono::milliseconds period,
                           const std::function<void()>& on_readable,
                           const std::function<void()>& on_tick);

}  // namespace headgate::runtime
