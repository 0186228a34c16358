// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace headgate::runtime {

// SIGTERM, SIGINT and SIGHUP as a file descriptor; SIGPIPE is ignored. Make it before the first
// thread, so that every thread inherits the blocked signals.
class Signals {
 public:
  static Result<Signals> block();
  int fd() const { return fd_.get(); }
  // The number of the signal that has arrived; 0 if none has.
  int read() const;

 private:
  UniqueFd fd_;
};

// Waits for several file descriptors and calls whoever waits for each. Not thread-safe.
class EventLoop {
 public:
  // Calls `on_readable` whenever `fd` is.
  void watch(int fd, std::function<void()> on_readable);
  // Calls `on_tick` at least once a `period`.
  void every(std::chrono::milliseconds period, std::function<void()> on_tick);

  // Until somebody calls stop(); returns what that said.
  Result<int> run();
  void stop(int why) { stopped_by_ = why; }

 private:
  struct Watched {
    int fd;
    std::function<void()> on_readable;
  };

  std::vector<Watched> watched_;
  std::chrono::milliseconds period_{1000};
  std::function<void()> on_tick_;
  std::optional<int> stopped_by_;
};

}  // namespace headgate::runtime
