// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "daemon/manage/deny_book.h"

namespace headgate::manage {

// Time passes and the wall clock is set as the test says.
class FakeClock {
 public:
  Clocks now() const { return now_; }
  void pass(std::chrono::nanoseconds time) {
    now_.wall += time;
    now_.boot_ns += static_cast<std::uint64_t>(time.count());
  }
  void step_wall(std::chrono::nanoseconds step) { now_.wall += step; }

 private:
  Clocks now_{std::chrono::sys_days(std::chrono::year(2026) / 1 / 1), 1'000'000'000'000};
};

// The kernel's deny list, changed as LiveManager changes it: first what is not denied any more. It
// may fail in the middle.
class FakeDenyKernel {
 public:
  // Follows the first `most` of the orders.
  void follow(const DenyBook::Orders& orders, std::size_t most = SIZE_MAX) {
    for (const Prefix& cidr : orders.stop) {
      if (most-- == 0) return;
      denied_.erase(cidr);
      hard_.erase(cidr);
    }
    for (const kernel::Denial& denial : orders.deny) {
      if (most-- == 0) return;
      denied_[denial.cidr] = denial.until_ns;
      hard_.erase(denial.cidr);
      if (denial.is_hard) hard_.insert(denial.cidr);
    }
  }
  bool is_denied(const Prefix& cidr, const Clocks& now) const {
    const auto entry = denied_.find(cidr);
    return entry != denied_.end() && entry->second > now.boot_ns;
  }
  std::chrono::seconds left(const Prefix& cidr, const Clocks& now) const {
    if (!is_denied(cidr, now)) return std::chrono::seconds(0);
    const std::chrono::nanoseconds left(denied_.at(cidr) - now.boot_ns);
    return std::chrono::duration_cast<std::chrono::seconds>(left);
  }
  const std::map<Prefix, std::uint64_t>& denied() const { return denied_; }
  const std::set<Prefix>& hard() const { return hard_; }
  std::size_t size() const { return denied_.size(); }

 private:
  std::map<Prefix, std::uint64_t> denied_;  // CLOCK_BOOTTIME
  std::set<Prefix> hard_;                   // of these
};

}  // namespace headgate::manage
