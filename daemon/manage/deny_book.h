// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
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

// Who is denied, by whom, and until when: what the kernel's map of prefixes and ends cannot say. An
// address range may stand in the configuration, and be denied by an operator, too: then the later
// end holds. Pure. Not thread-safe.
class DenyBook {
 public:
  struct Claim {
    std::string reason;
    std::optional<std::chrono::system_clock::time_point> until;
    std::uint64_t until_boot_ns = HG_FOR_GOOD;
  };

  // What has to be done in the kernel to follow a change. No range is in both lists.
  struct Orders {
    std::vector<kernel::Denial> deny;
    std::vector<Prefix> stop;
    std::vector<std::pair<Prefix, std::optional<Claim>>> former;  // by add(): what it replaced
  };

  // The entries of a configuration in place of those of the one before.
  Orders set_configured(const std::vector<config::Deny>& entries, const Clocks& now);
  // Entries of operators. `report` counts them.
  Orders add(const std::vector<DenyEntry>& entries, const Clocks& now, DenyReport& report);
  // Takes back what add() did last, newest first, with nothing in between.
  Orders undo(const Orders& added, const Clocks& now);
  // kInvalidArgument if one of them stands in the configuration; then nothing changes.
  Result<Orders> remove(const std::vector<Prefix>& cidrs, const Clocks& now, DenyReport& report);
  // Forgets what has expired.
  Orders expire(const Clocks& now);
  // After somebody has set the wall clock: the configuration names times of that clock, an
  // operator's entry lasts as long as it was said to.
  Orders follow_wall_clock(const Clocks& now);

  // In the order of the addresses. What has expired is not in it.
  std::vector<DenyListed> list(const Clocks& now) const;
  // The entry that stands for exactly this range.
  std::optional<DenyListed> find(const Prefix& cidr, const Clocks& now) const;

  // How many entries the kernel would have to hold with these in place or added.
  std::size_t size_with(const std::vector<DenyEntry>& entries) const;
  std::size_t size_with_configured(const std::vector<config::Deny>& entries) const;
  // Entries that the kernel holds.
  std::size_t size() const { return in_kernel_; }

 private:
  struct Entry {
    std::optional<Claim>
        configured;  // kept when its end has passed: the wall clock may be set back
    std::optional<Claim> by_operator;
    bool is_in_kernel = false;

    std::uint64_t until_boot_ns() const;
    DenyListed listed(const Prefix& cidr) const;
  };

  // The kernel follows what the entry of this range says now, if there is one.
  void follow(const Prefix& cidr, const Clocks& now, Orders& orders);
  bool is_in_kernel(const Prefix& cidr) const;

  std::map<Prefix, Entry> entries_;
  std::size_t in_kernel_ = 0;
};

}  // namespace headgate::manage
