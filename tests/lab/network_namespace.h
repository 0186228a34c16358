// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include "common/unique_fd.h"

namespace headgate::lab {

// A network namespace of its own, with a name under /run/netns as `ip netns` gives it; removed at
// the end. Thread-safe after construction, but for drop_name().
class NetworkNamespace {
 public:
  // The name becomes "hg-PID-ROLE". With `tcp_hash_buckets` (a power of two, Linux 6.1) the
  // namespace has a table of connections of its own, so that listing them takes microseconds.
  explicit NetworkNamespace(const std::string& role, unsigned tcp_hash_buckets = 0);
  ~NetworkNamespace();
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

  const std::string& name() const { return name_; }
  std::string path() const { return "/run/netns/" + name_; }
  int fd() const { return fd_.get(); }

  // Moves the calling thread into the namespace, for good.
  void enter() const;

  // Runs `work` on a thread of its own inside the namespace; returns (or throws) what it does.
  // A socket stays in the namespace it was made in, so it may be handed out.
  template <typename Work>
  auto run(Work&& work) const {
    std::packaged_task<decltype(work())()> task([this, &work] {
      enter();
      return work();
    });
    auto result = task.get_future();
    std::thread(std::ref(task)).join();
    return result.get();
  }

  // Takes its name away, as `ip netns del` does: it lives on as long as this object.
  void drop_name();

  // Sets "net/ipv4/…" below /proc/sys inside the namespace.
  void set_sysctl(const std::string& key, const std::string& value) const;

 private:
  std::string name_;
  bool has_name_ = true;
  UniqueFd fd_;
};

}  // namespace headgate::lab
