// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "client/mapping.h"
#include "client/outbox.h"
#include "client/throttles.h"
#include "headgate/client.h"
#include "quota/service_policy.h"
#include "quota/time_share_meter.h"

namespace headgate::client {

class Worker;

// What callers judge by. Immutable but for the counts; replaced as a whole, and deleted when nobody
// reads it any more.
struct InForce {
  std::uint64_t generation = 0;                        // of all clients of this process
  Mapping* mapping = nullptr;                          // null: there are no rules
  std::unique_ptr<const quota::ServicePolicy> policy;  // never null
};

// What the callers of one client share with its worker.
class Core {
 public:
  explicit Core(Options options);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Starts the worker, and waits for the daemon's first answer as long as the options say. Throws
  // std::system_error.
  void start();
  // The fork has not brought the worker along.
  bool has_forked() const { return has_forked_.load(std::memory_order_relaxed); }
  // Starts another one, and waits for nothing: the rules go on, and so do rates. If there is no
  // thread to be had, it tries again after a while.
  void restart_after_fork() noexcept;
  // In the child: all that is about the connection is the parent's. Nothing is freed.
  void forget_after_fork();

  const Options& options() const { return options_; }
  // Null: the daemon has never let us in. To be read within a Reading.
  const InForce* in_force() const { return in_force_.load(std::memory_order_acquire); }
  // Returns what was in force before, when nobody reads it any more.
  std::unique_ptr<const InForce> replace(std::unique_ptr<const InForce> next);

  // What only short locks are for; as one, for a child has to begin anew.
  struct Desk {
    Outbox outbox;
    quota::TimeShareMeter times;
    Throttles throttles;
    std::mutex mutex;
    std::mutex starting;  // by who starts the worker
    std::condition_variable changed;
    Status status;            // guarded by the mutex
    bool has_answer = false;  // the same; the daemon has let us in, or does not know the domain
  };
  Desk& desk() const { return *desk_; }

 private:
  const Options options_;
  std::atomic<const InForce*> in_force_ = nullptr;
  std::unique_ptr<Desk> desk_;
  std::unique_ptr<Worker> worker_;
  std::atomic<bool> has_forked_ = false;
  std::chrono::steady_clock::time_point next_start_{};  // guarded by Desk::starting
};

}  // namespace headgate::client
