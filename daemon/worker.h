// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "daemon/manage/live_manager.h"
#include "daemon/runtime/service_manager.h"

namespace headgate {

// What takes its time, on a thread of its own, so that connections beyond a limit are closed
// meanwhile: reloads (of what is asked for while one is under way, one more is done), following
// namespaces and groups that come and go, ending leases of quotas, and comparing the counters with
// the open sockets.
class Worker {
 public:
  Worker(manage::LiveManager& manager, const runtime::ServiceManager& service);
  ~Worker();

  void reload() { ask(is_reload_wanted_); }
  void reload_if_changed() { ask(is_look_wanted_); }

 private:
  void ask(bool& wanted);
  void run();
  void work(bool is_reload, bool is_look);
  void look_after_host();

  manage::LiveManager& manager_;
  const runtime::ServiceManager& service_;
  std::chrono::steady_clock::time_point next_check_;  // of the counters
  std::mutex lock_;
  std::condition_variable wake_;
  bool is_reload_wanted_ = false;
  bool is_look_wanted_ = false;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace headgate
