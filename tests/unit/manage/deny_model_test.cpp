// SPDX-License-Identifier: Apache-2.0
// The deny book against a plain model, under random changes that the kernel may fail to follow.
#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "deny_kernel.h"

namespace headgate::manage {
namespace {

using std::chrono::seconds;

using Ends = std::map<Prefix, std::uint64_t>;  // in ns of CLOCK_BOOTTIME

class Walk {
 public:
  explicit Walk(unsigned seed) : random_(seed) {}

  void step() {
    switch (below(6)) {
      case 0:
      case 1:
        return add();
      case 2:
        return remove();
      case 3:
        return follow(book_.expire(clock_.now()));
      case 4:
        clock_.step_wall(seconds(below(2000)) - seconds(1000));
        return book_.follow_wall_clock(clock_.now());
      default:
        return clock_.pass(seconds(below(20)));
    }
  }

  void check() {
    const Clocks now = clock_.now();
    const Ends expected = in_force(model_);
    Ends listed;
    for (const DenyListed& line : book_.list(now)) {
      listed[line.entry.cidr] = now.to_boot_ns(line.entry.until);
    }
    EXPECT_EQ(listed, expected);
    EXPECT_EQ(book_.size_with({}, now), expected.size());
    std::set<Prefix> hard;
    for (const DenyListed& line : book_.list(now)) {
      if (line.entry.is_hard) hard.insert(line.entry.cidr);
    }
    EXPECT_EQ(hard, hard_in_force(now));
    if (!hard.empty()) {
      EXPECT_TRUE(book_.has_hard());
    }
    if (is_behind_) return;
    EXPECT_EQ(kernel_.hard().empty(), !book_.has_hard());
    EXPECT_EQ(in_force(kernel_.denied()), expected);
    EXPECT_EQ(kernel_.size(), book_.size());
  }

 private:
  unsigned below(unsigned end) { return static_cast<unsigned>(random_() % end); }
  Prefix cidr() {
    return *Prefix::parse("10.0.0." + std::to_string(below(12)) + (below(4) == 0 ? "/32" : ""));
  }
  Ends in_force(Ends ends) const {
    const std::uint64_t now_ns = clock_.now().boot_ns;
    std::erase_if(ends, [now_ns](const auto& entry) { return entry.second <= now_ns; });
    return ends;
  }

  std::set<Prefix> hard_in_force(const Clocks& now) const {
    std::set<Prefix> hard = hard_;
    std::erase_if(hard, [&](const Prefix& cidr) {
      const auto end = model_.find(cidr);
      return end == model_.end() || end->second <= now.boot_ns;
    });
    return hard;
  }

  // As LiveManager does it: after a failure, everything.
  void follow(const DenyBook::Orders& orders) {
    const DenyBook::Orders to_do = is_behind_ ? book_.everything() : orders;
    for (const kernel::Denial& denial : to_do.deny) {
      EXPECT_EQ(std::count(to_do.stop.begin(), to_do.stop.end(), denial.cidr), 0);
    }
    is_behind_ = below(5) == 0;
    if (is_behind_) return kernel_.follow(to_do, below(3));
    kernel_.follow(to_do);
    book_.followed();
  }

  void add() {
    const Clocks now = clock_.now();
    const Ends before = model_;
    const std::set<Prefix> hard_before = hard_;
    std::vector<DenyEntry> entries;
    for (unsigned left = below(6); left > 0; --left) {
      DenyEntry entry{cidr(), "", std::nullopt, false};
      // For good, or for as long as it takes, or it has just ended.
      if (below(8) > 0) entry.until = now.wall + seconds(below(60));
      entry.is_hard = below(4) == 0;
      model_[entry.cidr] = now.to_boot_ns(entry.until);
      hard_.erase(entry.cidr);
      if (entry.is_hard) hard_.insert(entry.cidr);
      entries.push_back(entry);
    }
    DenyReport report;
    const auto orders = book_.add(entries, now, report);
    EXPECT_EQ(report.added + report.replaced, entries.size());
    follow(orders);
    if (below(3) > 0) return;
    follow(book_.undo(orders, now));
    model_ = before;
    hard_ = hard_before;
  }

  void remove() {
    std::vector<Prefix> cidrs;
    for (unsigned left = below(4); left > 0; --left) cidrs.push_back(cidr());
    Ends known = in_force(model_);
    std::uint32_t removed = 0;
    for (const Prefix& cidr : cidrs) removed += static_cast<std::uint32_t>(known.erase(cidr));
    model_ = known;
    DenyReport report;
    follow(book_.remove(cidrs, clock_.now(), report));
    EXPECT_EQ(report.removed, removed);
    EXPECT_EQ(report.unknown, cidrs.size() - removed);
  }

  std::mt19937 random_;
  FakeClock clock_;
  FakeDenyKernel kernel_;
  DenyBook book_;
  Ends model_;
  std::set<Prefix> hard_;   // of these, and perhaps of some that have ended
  bool is_behind_ = false;  // the kernel, after a failure
};

TEST(DenyBook, DeniesWhatAPlainModelDeniesWhateverIsDone) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Walk walk(seed);
    for (int step = 0; step < 300; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      walk.step();
      walk.check();
      if (testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace headgate::manage
