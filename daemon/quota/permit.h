// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/quota/account.h"

namespace headgate::quota {

// What one request holds of limits of concurrency: a lease of each, given back when this ends. A
// lease that has ended by itself (lease_ttl) or was cleared up is not given back twice. One thread
// at a time.
class Permit {
 public:
  Permit() = default;
  ~Permit() { end(); }
  Permit(Permit&& other) noexcept : held_(std::exchange(other.held_, {})) {}
  Permit& operator=(Permit&& other) noexcept {
    if (this != &other) {
      end();
      held_ = std::exchange(other.held_, {});
    }
    return *this;
  }

  void add(std::shared_ptr<Account> account, std::size_t lease) {
    held_.push_back({std::move(account), lease});
  }
  bool holds_anything() const { return !held_.empty(); }

  void end() {
    while (!held_.empty()) end_last();
  }
  // The one that was added last.
  void end_last() {
    const Held& last = held_.back();
    last.account->semaphore().give(last.lease);
    last.account->return_lease(last.lease);
    held_.pop_back();
  }

 private:
  struct Held {
    std::shared_ptr<Account> account;
    std::size_t lease = 0;
  };
  std::vector<Held> held_;
};

}  // namespace headgate::quota
