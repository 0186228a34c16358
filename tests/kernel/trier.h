// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <thread>

#include "tests/lab/socket.h"
#include "tests/lab/topology.h"

namespace headgate::lab {

// A client that may not connect tries to, again and again: each attempt must be refused.
class Trier {
 public:
  Trier(const Host& client, const Endpoint& to)
      : thread_([this, &client, to] {
          client.network().enter();
          while (!stop_) {
            const ConnectResult result = connect_to(to);
            ++(result.error == ECONNREFUSED ? refused_ : wrong_);
            if (result.error != ECONNREFUSED) last_wrong_ = result.error;
            // The daemon's start needs a processor, too.
            std::this_thread::sleep_for(std::chrono::microseconds(200));
          }
        }) {}
  ~Trier() { stop(); }

  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t wrong() const { return wrong_; }
  int last_wrong() const { return last_wrong_; }  // errno; 0: connected

 private:
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> wrong_{0};
  std::atomic<int> last_wrong_{0};
  std::thread thread_;
};

}  // namespace headgate::lab
