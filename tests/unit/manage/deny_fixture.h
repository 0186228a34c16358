// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "deny_kernel.h"

namespace headgate::manage {

inline const Prefix kOne = *Prefix::parse("192.0.2.1");
inline const Prefix kNet = *Prefix::parse("192.0.2.0/24");
inline const Prefix kOther = *Prefix::parse("2001:db8::/32");

// A book, the kernel that follows it, and the time.
class DenyBookTest : public testing::Test {
 protected:
  DenyReport add(const std::vector<DenyEntry>& entries) {
    DenyReport report;
    last_ = book_.add(entries, clock_.now(), report);
    kernel_.follow(last_);
    return report;
  }
  DenyReport remove(const std::vector<Prefix>& cidrs) {
    DenyReport report;
    kernel_.follow(book_.remove(cidrs, clock_.now(), report));
    return report;
  }
  void undo() { kernel_.follow(book_.undo(last_, clock_.now())); }
  void expire() { kernel_.follow(book_.expire(clock_.now())); }

  DenyEntry entry(const Prefix& cidr, std::chrono::seconds length, const std::string& reason = "") {
    return {cidr, reason, clock_.now().wall + length};
  }
  bool is_denied(const Prefix& cidr) const { return kernel_.is_denied(cidr, clock_.now()); }
  // How much longer the kernel denies it; 0: not at all.
  std::chrono::seconds left(const Prefix& cidr) const { return kernel_.left(cidr, clock_.now()); }
  std::vector<DenyListed> list() const { return book_.list(clock_.now()); }

  FakeClock clock_;
  FakeDenyKernel kernel_;
  DenyBook book_;
  DenyBook::Orders last_;
};

}  // namespace headgate::manage
