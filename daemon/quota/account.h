// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/quota/adaptive_limits.h"
#include "quota/semaphore.h"
#include "quota/table.h"

namespace headgate::quota {

// The memory in which one domain's keys are counted: a memfd, so that it can be shared with the
// domain's services. Its size is sealed. Untouched memory costs nothing.
class Account {
 public:
  // Errors: kUnavailable, no memory. `name` is for /proc/PID/maps.
  static Result<std::shared_ptr<Account>> create(const std::string& name, std::uint32_t max_keys);
  ~Account();
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  // Lock-free: any thread, at any time.
  TableView& table() { return table_; }
  const TableView& table() const { return table_; }
  Semaphore& semaphore() { return semaphore_; }
  AdaptiveLimits& adaptive() { return adaptive_; }

  // A lease for one permit; none if a million are in use. It is put back when it holds nothing.
  std::optional<std::size_t> borrow_lease();
  void return_lease(std::size_t lease);

  // Gives back what leases hold whose end has come. Returns how many.
  std::size_t end_expired(std::uint64_t now_ns);
  // Permits that are taken, by Slot::rule.
  std::unordered_map<std::uint32_t, std::uint64_t> in_flight() const;

 private:
  Account(UniqueFd fd, void* memory, std::size_t bytes, std::size_t sets, std::uint32_t max_keys,
          std::uint64_t seed);

  std::size_t leases_used() const;

  UniqueFd fd_;
  void* memory_;
  std::size_t bytes_;
  TableView table_;
  shared::Lease* leases_;
  Semaphore semaphore_;
  AdaptiveLimits adaptive_{table_};

  mutable std::mutex mutex_;
  std::vector<std::size_t> free_leases_;
  std::size_t leases_used_ = 0;  // those with a higher number have never been lent
};

}  // namespace headgate::quota
