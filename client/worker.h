// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/connection.h"
#include "client/core.h"
#include "common/unique_fd.h"
#include "quota/random.h"

namespace headgate::client {

// The thread that talks to the daemon: attaches, and attaches anew when the daemon has gone; puts
// the rules in force that it sends; tells it what was judged.
class Worker {
 public:
  // Throws std::system_error. The core outlives it.
  explicit Worker(Core& core);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // In the child: the thread is not there. The connection is closed, all else is left as it is.
  void forget_after_fork();

 private:
  // What came together, and ends together: the daemon believes that our leases hold nothing any
  // more when the connection is closed.
  struct Attachment {
    std::unique_ptr<Mapping> mapping;
    std::unique_ptr<Connection> connection;
  };

  void run();
  void turn();
  bool attach();
  void detach(const std::string& problem);
  void serve();
  void put_in_force(Attachment attachment, std::unique_ptr<quota::ServicePolicy> policy);
  void take_tallies(const quota::ServicePolicy& policy);
  bool tell_tallies();
  bool tell();
  void forget_what_is_late();
  void free_idle();
  void wait(int fd, std::chrono::milliseconds time) const;
  void set_status(const std::string& problem);

  Core& core_;
  quota::Random random_;
  UniqueFd wake_;
  std::atomic<bool> is_ending_ = false;
  Attachment current_;  // of what is in force; its connection may be at its end
  bool is_attached_ = false;
  std::vector<Attachment> retired_;               // permits of theirs are still held
  const quota::ServicePolicy* policy_ = nullptr;  // in force
  std::vector<quota::attach::Tally> tallies_;     // to be told
  std::chrono::steady_clock::time_point tallies_taken_{};
  std::uint32_t failures_ = 0;  // one after the other
  bool is_busy_ = false;        // there was something to tell the last time
  std::thread thread_;
};

}  // namespace headgate::client
