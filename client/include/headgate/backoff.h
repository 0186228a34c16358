// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace headgate::client {

struct BackoffOptions {
  std::chrono::nanoseconds base = std::chrono::milliseconds(100);
  std::chrono::nanoseconds cap = std::chrono::seconds(30);
};

// How long to wait before the next try of something that has failed or was refused: exponential
// backoff with full jitter, anything from 0 to min(cap, base · 2^n) before retry n = 0, 1, 2, …, so
// that those who failed together do not come back together (M. Brooker, "Exponential Backoff And
// Jitter", AWS Architecture Blog, 2015).
//
//   for (headgate::client::Backoff backoff; !connect();)
//   std::this_thread::sleep_for(backoff.next());
//
// One thread at a time; a copy goes on by itself. After a fork() parent and child draw different
// waits.
class Backoff {
 public:
  explicit Backoff(const BackoffOptions& options = {}) : options_(options) {}

  // The next wait; counts a failure. `retry_after` is what the server said, such as that of a
  // Decision: it is waited in any case and the jitter comes on top, for all who were refused
  // together may have been told the same.
  std::chrono::nanoseconds next(
      std::chrono::nanoseconds retry_after = std::chrono::nanoseconds(0)) noexcept;

  // It has succeeded: the waits begin anew.
  void reset() noexcept { failures_ = 0; }

  std::uint32_t failures() const noexcept { return failures_; }

 private:
  BackoffOptions options_;
  std::uint32_t failures_ = 0;  // in a row
};

}  // namespace headgate::client
