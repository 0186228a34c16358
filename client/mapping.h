// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "client/fork.h"
#include "quota/attach.h"
#include "quota/semaphore.h"
#include "quota/table.h"

namespace headgate::client {

// The memory of a domain's account, and the leases in it that are this process's own.
class Mapping {
 public:
  // `fd` is of the account; it is not kept. Null: it is not as `welcome` says.
  static std::unique_ptr<Mapping> map(int fd, const quota::attach::Welcome& welcome);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  quota::TableView& table() { return table_; }
  quota::Semaphore& semaphore() { return semaphore_; }

  // Lock-free. None: all are in use.
  std::optional<std::size_t> borrow_lease();
  // Lock-free. Gives back what the lease holds, if that is still this life of it, and the lease.
  // After the last one the mapping may be gone.
  void return_lease(std::size_t lease, quota::Semaphore::Life life);

  // No lease is in use, if none is borrowed any more.
  bool is_idle() const;
  // In a child its leases are the parent's: none can be borrowed, and to return them does nothing.
  bool is_inherited() const { return forks_ != forks_until_now(); }

 private:
  Mapping(void* memory, std::size_t bytes, const quota::attach::Welcome& welcome);

  static constexpr std::uint32_t kNone = 0xffff'ffff;

  void* memory_;
  std::size_t bytes_;
  quota::TableView table_;
  quota::Semaphore semaphore_;
  std::size_t first_lease_;
  const std::uint64_t forks_ = forks_until_now();  // when it was made
  // A stack of free leases. The upper half of its head counts its changes: a head that comes back
  // is another one.
  std::vector<std::atomic<std::uint32_t>> next_;  // by lease, less first_lease_
  std::atomic<std::uint64_t> head_;
};

}  // namespace headgate::client
