// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/deny_book.h"

#include <algorithm>
#include <set>
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

std::uint64_t DenyBook::Entry::until_boot_ns() const {
  std::uint64_t latest = 0;
  for (const auto& claim : {configured, by_operator}) {
    if (claim) latest = std::max(latest, claim->until_boot_ns);
  }
  return latest;
}

// Of two claims the one that ends later is told.
DenyListed DenyBook::Entry::listed(const Prefix& cidr) const {
  const bool is_operators =
      by_operator && (!configured || by_operator->until_boot_ns >= configured->until_boot_ns);
  const Claim& claim = is_operators ? *by_operator : *configured;
  return {{cidr, claim.reason, claim.until},
          is_operators ? DenyListed::Source::kOperator : DenyListed::Source::kConfig,
          {}};
}

void DenyBook::follow(const Prefix& cidr, const Clocks& now, Orders& orders) {
  const auto place = entries_.find(cidr);
  if (place == entries_.end()) return;
  Entry& entry = place->second;
  if (entry.by_operator && entry.by_operator->until_boot_ns <= now.boot_ns) {
    entry.by_operator.reset();
  }
  const std::uint64_t until = entry.until_boot_ns();
  if (until > now.boot_ns) {
    orders.deny.push_back({cidr, until});
    if (!std::exchange(entry.is_in_kernel, true)) ++in_kernel_;
  } else if (std::exchange(entry.is_in_kernel, false)) {
    orders.stop.push_back(cidr);
    --in_kernel_;
  }
  if (!entry.configured && !entry.by_operator) entries_.erase(place);
}

DenyBook::Orders DenyBook::set_configured(const std::vector<config::Deny>& entries,
                                          const Clocks& now) {
  Orders orders;
  std::set<Prefix> kept;
  for (const config::Deny& entry : entries) {
    const std::optional<system_clock::time_point> until = entry.until;
    kept.insert(entry.cidr);
    std::optional<Claim>& configured = entries_[entry.cidr].configured;
    if (configured && configured->reason == entry.reason && configured->until == until) continue;
    configured = Claim{entry.reason, until, now.to_boot_ns(until)};
    follow(entry.cidr, now, orders);
  }
  for (auto place = entries_.begin(); place != entries_.end();) {
    const auto current = place++;
    if (!current->second.configured || kept.count(current->first) > 0) continue;
    current->second.configured.reset();
    follow(Prefix(current->first), now, orders);
  }
  return orders;
}

DenyBook::Orders DenyBook::add(const std::vector<DenyEntry>& entries, const Clocks& now,
                               DenyReport& report) {
  Orders orders;
  std::set<Prefix> touched;
  for (const DenyEntry& entry : entries) {
    std::optional<Claim>& by_operator = entries_[entry.cidr].by_operator;
    ++(by_operator ? report.replaced : report.added);
    orders.former.emplace_back(entry.cidr, by_operator);
    by_operator = Claim{entry.reason, entry.until, now.to_boot_ns(entry.until)};
    touched.insert(entry.cidr);
  }
  for (const Prefix& cidr : touched) follow(cidr, now, orders);
  return orders;
}

DenyBook::Orders DenyBook::undo(const Orders& added, const Clocks& now) {
  Orders orders;
  std::set<Prefix> touched;
  for (auto former = added.former.rbegin(); former != added.former.rend(); ++former) {
    entries_[former->first].by_operator = former->second;
    touched.insert(former->first);
  }
  for (const Prefix& cidr : touched) follow(cidr, now, orders);
  return orders;
}

Result<DenyBook::Orders> DenyBook::remove(const std::vector<Prefix>& cidrs, const Clocks& now,
                                          DenyReport& report) {
  for (const Prefix& cidr : cidrs) {
    const auto place = entries_.find(cidr);
    if (place == entries_.end() || !place->second.configured) continue;
    if (place->second.configured->until_boot_ns > now.boot_ns && !place->second.by_operator) {
      return fail(ErrorCode::kInvalidArgument,
                  cidr.to_string() +
                      " is denied by the configuration (clients.deny); taking it out there, and a "
                      "reload, would be right");
    }
  }
  Orders orders;
  for (const Prefix& cidr : cidrs) {
    const auto place = entries_.find(cidr);
    if (place == entries_.end() || !place->second.by_operator) {
      ++report.unknown;
      continue;
    }
    ++report.removed;
    place->second.by_operator.reset();
    follow(cidr, now, orders);
  }
  return orders;
}

DenyBook::Orders DenyBook::expire(const Clocks& now) {
  Orders orders;
  for (auto place = entries_.begin(); place != entries_.end();) {
    const auto current = place++;
    if (current->second.is_in_kernel && current->second.until_boot_ns() <= now.boot_ns) {
      follow(Prefix(current->first), now, orders);
    }
  }
  return orders;
}

DenyBook::Orders DenyBook::follow_wall_clock(const Clocks& now) {
  Orders orders;
  for (auto place = entries_.begin(); place != entries_.end();) {
    const auto current = place++;
    std::optional<Claim>& configured = current->second.configured;
    std::optional<Claim>& by_operator = current->second.by_operator;
    if (by_operator && by_operator->until)
      by_operator->until = now.to_wall(by_operator->until_boot_ns);
    if (!configured || !configured->until) continue;
    configured->until_boot_ns = now.to_boot_ns(configured->until);
    follow(Prefix(current->first), now, orders);
  }
  return orders;
}

std::vector<DenyListed> DenyBook::list(const Clocks& now) const {
  std::vector<DenyListed> listed;
  listed.reserve(in_kernel_);
  for (const auto& [cidr, entry] : entries_) {
    if (entry.until_boot_ns() > now.boot_ns) listed.push_back(entry.listed(cidr));
  }
  return listed;
}

std::optional<DenyListed> DenyBook::find(const Prefix& cidr, const Clocks& now) const {
  const auto place = entries_.find(cidr);
  if (place == entries_.end() || place->second.until_boot_ns() <= now.boot_ns) return std::nullopt;
  return place->second.listed(cidr);
}

bool DenyBook::is_in_kernel(const Prefix& cidr) const {
  const auto place = entries_.find(cidr);
  return place != entries_.end() && place->second.is_in_kernel;
}

std::size_t DenyBook::size_with(const std::vector<DenyEntry>& entries) const {
  std::set<Prefix> fresh;
  for (const DenyEntry& entry : entries) {
    if (!is_in_kernel(entry.cidr)) fresh.insert(entry.cidr);
  }
  return in_kernel_ + fresh.size();
}

std::size_t DenyBook::size_with_configured(const std::vector<config::Deny>& entries) const {
  // Those that go are removed after the others are added.
  return entries_.size() + static_cast<std::size_t>(std::count_if(
                               entries.begin(), entries.end(), [this](const config::Deny& entry) {
                                 return !is_in_kernel(entry.cidr);
                               }));
}

}  // namespace headgate::manage
