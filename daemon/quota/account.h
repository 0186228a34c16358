// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <bitset>
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
// domain's services. Its size is sealed. Untouched memory costs nothing. Once it is made, nothing
// here asks the kernel about the file: a service can make such a call wait for ever.
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

  // Leases for a process that maps the account, at least so many, one beside the other. None: there
  // are not so many together.
  struct Leases {
    std::size_t first = 0;
    std::size_t count = 0;
  };
  std::optional<Leases> borrow_leases(std::size_t count);
  // Of a process that is gone: what they hold is given back first.
  void return_leases(const Leases& leases);

  // Counts the keys anew if such a process has gone since the last time: killed in the middle of a
  // change, or full of nonsense, it leaves the count wrong. Reads all of the table that is in use.
  void mend_count();

  // What such a process must know: the memory (not the caller's to close), and what is in it.
  int fd() const { return fd_.get(); }
  std::size_t sets() const { return sets_; }

  // All that are lent have a lower number.
  std::size_t leases_used() const;

  // Gives back what leases hold whose end has come. Returns how many.
  std::size_t end_expired(std::uint64_t now_ns);
  // Permits that are taken, by Slot::rule.
  std::unordered_map<std::uint32_t, std::uint64_t> in_flight() const;

 private:
  Account(UniqueFd fd, void* memory, std::size_t bytes, std::size_t sets, std::uint32_t max_keys,
          std::uint64_t seed);

  std::optional<std::size_t> find_blocks(std::size_t count) const;

  UniqueFd fd_;
  void* memory_;
  std::size_t bytes_;
  std::size_t sets_;
  TableView table_;
  shared::Lease* leases_;
  Semaphore semaphore_;
  AdaptiveLimits adaptive_{table_};

  // Leases are lent to processes by the block, and some blocks are the daemon's own.
  static constexpr std::size_t kBlock = 1024;
  static constexpr std::size_t kBlocks = Semaphore::kMostLeases / kBlock;

  std::atomic<bool> is_count_doubtful_ = true;
  mutable std::mutex mutex_;
  std::bitset<kBlocks> lent_;
  std::vector<std::size_t> free_leases_;  // of the daemon's own
  std::size_t leases_used_ = 0;           // those with a higher number are not lent
};

}  // namespace headgate::quota
