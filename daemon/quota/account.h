// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"
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

 private:
  Account(UniqueFd fd, void* memory, std::size_t bytes, std::size_t sets, std::uint32_t max_keys,
          std::uint64_t seed);

  UniqueFd fd_;
  void* memory_;
  std::size_t bytes_;
  TableView table_;
};

}  // namespace headgate::quota
