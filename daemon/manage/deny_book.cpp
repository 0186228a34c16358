// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/deny_book.h"

#include <algorithm>
#include <utility>

#include "daemon/kernel/clock.h"

namespace headgate::manage {

using std::chrono::system_clock;

Clocks Clocks::now() {
  return {system_clock::now(), kernel::boot_ns()};
}

std::int64_t Clocks::wall_clock_offset_ns() const {
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::nanoseconds>(wall.time_since_epoch());
  return since_epoch.count() - static_cast<std::int64_t>(boot_ns);
}

std::uint64_t Clocks::to_boot_ns(std::optional<system_clock::time_point> until) const {
  if (!until) return HG_FOR_GOOD;
  if (*until <= wall) return 0;
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(*until - wall);
  return boot_ns + static_cast<std::uint64_t>(left.count());
}

system_clock::time_point Clocks::to_wall(std::uint64_t then_boot_ns) const {
  const auto left = std::chrono::nanoseconds(static_cast<std::int64_t>(then_boot_ns - boot_ns));
  return wall + std::chrono::duration_cast<system_clock::duration>(left);
}

namespace {

DenyListed to_listed(const Prefix& cidr, const DenyBook::Claim& claim) {
  return {{cidr, claim.reason, claim.until, claim.is_hard}, DenyListed::Source::kOperator, {}};
}

kernel::Denial to_denial(const Prefix& cidr, const DenyBook::Claim& claim) {
  return {cidr, claim.until_boot_ns, claim.reason, claim.is_hard};
}

}  // namespace

void DenyBook::put(const Prefix& cidr, Claim claim) {
  erase(cidr);
  if (claim.is_hard) ++hard_count_;
  entries_[cidr] = std::move(claim);
}

bool DenyBook::erase(const Prefix& cidr) {
  const auto place = entries_.find(cidr);
  if (place == entries_.end()) return false;
  if (place->second.is_hard) --hard_count_;
  entries_.erase(place);
  return true;
}

bool DenyBook::holds(const Prefix& cidr, const Clocks& now) const {
  const auto place = entries_.find(cidr);
  return place != entries_.end() && place->second.until_boot_ns > now.boot_ns;
}

void DenyBook::follow(const Prefix& cidr, const Clocks& now, Orders& orders) {
  if (holds(cidr, now)) {
    orders.deny.push_back(to_denial(cidr, entries_.at(cidr)));
    stopped_.erase(cidr);
  } else {
    orders.stop.push_back(cidr);
    stopped_.insert(cidr);
    erase(cidr);
  }
}

DenyBook::Orders DenyBook::add(const std::vector<DenyEntry>& entries, const Clocks& now,
                               DenyReport& report) {
  Orders orders;
  std::set<Prefix> touched;
  for (const DenyEntry& entry : entries) {
    ++(holds(entry.cidr, now) ? report.replaced : report.added);
    const auto former = entries_.find(entry.cidr);
    orders.former.emplace_back(
        entry.cidr, former == entries_.end() ? std::nullopt : std::optional<Claim>(former->second));
    put(entry.cidr, {entry.reason, entry.until, now.to_boot_ns(entry.until), entry.is_hard});
    touched.insert(entry.cidr);
  }
  for (const Prefix& cidr : touched) follow(cidr, now, orders);
  return orders;
}

DenyBook::Orders DenyBook::undo(const Orders& added, const Clocks& now) {
  Orders orders;
  std::set<Prefix> touched;
  for (auto former = added.former.rbegin(); former != added.former.rend(); ++former) {
    const auto& [cidr, claim] = *former;
    if (claim) {
      put(cidr, *claim);
    } else {
      erase(cidr);
    }
    touched.insert(cidr);
  }
  for (const Prefix& cidr : touched) follow(cidr, now, orders);
  return orders;
}

void DenyBook::restore(const std::vector<kernel::Denial>& denials, const Clocks& now) {
  for (const kernel::Denial& denial : denials) {
    Claim claim{denial.reason, std::nullopt, denial.until_ns, denial.is_hard};
    if (denial.until_ns != HG_FOR_GOOD) claim.until = now.to_wall(denial.until_ns);
    put(denial.cidr, std::move(claim));
  }
}

DenyBook::Orders DenyBook::remove(const std::vector<Prefix>& cidrs, const Clocks& now,
                                  DenyReport& report) {
  Orders orders;
  for (const Prefix& cidr : cidrs) {
    ++(holds(cidr, now) ? report.removed : report.unknown);
    if (erase(cidr)) follow(cidr, now, orders);
  }
  return orders;
}

DenyBook::Orders DenyBook::expire(const Clocks& now) {
  Orders orders;
  for (auto place = entries_.begin(); place != entries_.end();) {
    const auto current = place++;
    if (current->second.until_boot_ns <= now.boot_ns) follow(Prefix(current->first), now, orders);
  }
  return orders;
}

DenyBook::Orders DenyBook::everything() const {
  Orders orders;
  orders.deny.reserve(entries_.size());
  for (const auto& [cidr, claim] : entries_) {
    orders.deny.push_back(to_denial(cidr, claim));
  }
  orders.stop.assign(stopped_.begin(), stopped_.end());
  return orders;
}

void DenyBook::followed() {
  stopped_.clear();
}

void DenyBook::follow_wall_clock(const Clocks& now) {
  for (auto& [cidr, claim] : entries_) {
    if (claim.until) claim.until = now.to_wall(claim.until_boot_ns);
  }
}

std::vector<DenyListed> DenyBook::list(const Clocks& now) const {
  std::vector<DenyListed> listed;
  listed.reserve(entries_.size());
  for (const auto& [cidr, claim] : entries_) {
    if (claim.until_boot_ns > now.boot_ns) listed.push_back(to_listed(cidr, claim));
  }
  return listed;
}

std::optional<DenyListed> DenyBook::find(const Prefix& cidr, const Clocks& now) const {
  if (!holds(cidr, now)) return std::nullopt;
  return to_listed(cidr, entries_.at(cidr));
}

std::size_t DenyBook::size_with(const std::vector<DenyEntry>& entries, const Clocks& now) const {
  std::set<Prefix> fresh;
  for (const DenyEntry& entry : entries) {
    if (!holds(entry.cidr, now)) fresh.insert(entry.cidr);
  }
  const auto held = std::count_if(entries_.begin(), entries_.end(), [&now](const auto& entry) {
    return entry.second.until_boot_ns > now.boot_ns;
  });
  return static_cast<std::size_t>(held) + fresh.size();
}

}  // namespace headgate::manage
