// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/ip.h"
#include "daemon/kernel/limiter.h"
#include "daemon/manage/manager.h"

namespace headgate::manage {

// The two clocks, read together: people and files name times of the one, the kernel judges by the
// other, which no one sets.
struct Clocks {
  std::chrono::system_clock::time_point wall;
  std::uint64_t boot_ns = 0;  // CLOCK_BOOTTIME

  static Clocks now();
  // Changes when somebody sets the wall clock.
  std::int64_t wall_clock_offset_ns() const;
  std::chrono::system_clock::time_point to_wall(std::uint64_t then_boot_ns) const;
  // HG_FOR_GOOD for none; 0 for a time that has passed.
  std::uint64_t to_boot_ns(std::optional<std::chrono::system_clock::time_point> until) const;
};

// What operators deny, why, and until when: what the kernel's map of prefixes and ends cannot say.
// Holds what the kernel's map is to hold. Pure. Not thread-safe.
class DenyBook {
 public:
  struct Claim {
    std::string reason;
    std::optional<std::chrono::system_clock::time_point> until;
    std::uint64_t until_boot_ns = HG_FOR_GOOD;
    bool is_hard = false;
  };

  // What has to be done in the kernel to follow a change. No range is in both lists.
  struct Orders {
    std::vector<kernel::Denial> deny;
    std::vector<Prefix> stop;
    std::vector<std::pair<Prefix, std::optional<Claim>>> former;  // by add(): what it replaced
  };

  // `report` counts the entries.
  Orders add(const std::vector<DenyEntry>& entries, const Clocks& now, DenyReport& report);
  // Takes back what add() did last, newest first, with nothing in between.
  Orders undo(const Orders& added, const Clocks& now);
  // What the kernel holds since an earlier process.
  void restore(const std::vector<kernel::Denial>& denials, const Clocks& now);
  Orders remove(const std::vector<Prefix>& cidrs, const Clocks& now, DenyReport& report);
  // Forgets what has expired.
  Orders expire(const Clocks& now);

  // All that the kernel has to do that may not have followed some orders, whichever they were.
  Orders everything() const;
  // The kernel has followed all orders so far.
  void followed();

  // After somebody has set the wall clock: entries last as long as they were said to, so they end
  // at another time of it.
  void follow_wall_clock(const Clocks& now);

  // In the order of the addresses. What has expired is not in it.
  std::vector<DenyListed> list(const Clocks& now) const;
  // The entry that stands for exactly this range.
  std::optional<DenyListed> find(const Prefix& cidr, const Clocks& now) const;

  // How many entries there would be with these added.
  std::size_t size_with(const std::vector<DenyEntry>& entries, const Clocks& now) const;
  // Entries that the kernel holds, once it has followed: also those that expire() will forget.
  std::size_t size() const { return entries_.size(); }
  // Is one of them hard?
  bool has_hard() const { return hard_count_ > 0; }

 private:
  bool holds(const Prefix& cidr, const Clocks& now) const;
  void put(const Prefix& cidr, Claim claim);
  // Was it there?
  bool erase(const Prefix& cidr);
  // The kernel follows what the book says of this range now.
  void follow(const Prefix& cidr, const Clocks& now, Orders& orders);

  std::map<Prefix, Claim> entries_;
  std::size_t hard_count_ = 0;
  std::set<Prefix> stopped_;  // not in entries_, but in the kernel until it has followed
};

}  // namespace headgate::manage
