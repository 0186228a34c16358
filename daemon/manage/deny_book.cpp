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

void DenyBook::follow(std::map<Prefix, Entry>::iterator place, std::uint64_t boot_ns,
                      Orders& orders) {
  const std::uint64_t until = place->second.until_boot_ns();
  if (until > boot_ns) {
    orders.deny.push_back({place->first, until});
    return;
  }
  orders.stop.push_back(place->first);
  entries_.erase(place);
}

DenyBook::Orders DenyBook::set_configured(const std::vector<config::Deny>& entries,
                                          const Clocks& now) {
  Orders orders;
  std::set<Prefix> kept;
  for (const config::Deny& entry : entries) {
    const std::optional<system_clock::time_point> until = entry.until;
    kept.insert(entry.cidr);
    const auto place = entries_.try_emplace(entry.cidr).first;
    const Claim claim{entry.reason, until, now.to_boot_ns(until)};
    const bool is_same = place->second.configured &&
                         place->second.configured->reason == claim.reason &&
                         place->second.configured->until == claim.until;
    if (is_same) continue;
    place->second.configured = claim;
    follow(place, now.boot_ns, orders);
  }
  for (auto place = entries_.begin(); place != entries_.end();) {
    const auto next = std::next(place);
    if (place->second.configured && kept.count(place->first) == 0) {
      place->second.configured.reset();
      follow(place, now.boot_ns, orders);
    }
    place = next;
  }
  return orders;
}

DenyBook::Orders DenyBook::add(const std::vector<DenyEntry>& entries, const Clocks& now,
                               DenyReport& report) {
  Orders orders;
  for (const DenyEntry& entry : entries) {
    const auto place = entries_.try_emplace(entry.cidr).first;
    ++(place->second.by_operator ? report.replaced : report.added);
    orders.former.emplace_back(entry.cidr, place->second.by_operator);
    place->second.by_operator = Claim{entry.reason, entry.until, now.to_boot_ns(entry.until)};
    follow(place, now.boot_ns, orders);
  }
  return orders;
}

DenyBook::Orders DenyBook::undo(const Orders& added) {
  Orders orders;
  for (auto former = added.former.rbegin(); former != added.former.rend(); ++former) {
    const auto place = entries_.try_emplace(former->first).first;
    place->second.by_operator = former->second;
    follow(place, 0, orders);
  }
  return orders;
}

Result<DenyBook::Orders> DenyBook::remove(const std::vector<Prefix>& cidrs, DenyReport& report) {
  for (const Prefix& cidr : cidrs) {
    const auto place = entries_.find(cidr);
    if (place != entries_.end() && place->second.configured && !place->second.by_operator) {
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
    follow(place, 0, orders);
  }
  return orders;
}

DenyBook::Orders DenyBook::expire(const Clocks& now) {
  Orders orders;
  for (auto place = entries_.begin(); place != entries_.end();) {
    const auto next = std::next(place);
    if (place->second.until_boot_ns() <= now.boot_ns) follow(place, now.boot_ns, orders);
    place = next;
  }
  return orders;
}

DenyBook::Orders DenyBook::follow_wall_clock(const Clocks& now) {
  Orders orders;
  for (auto place = entries_.begin(); place != entries_.end();) {
    const auto next = std::next(place);
    if (std::optional<Claim>& claim = place->second.configured; claim && claim->until) {
      claim->until_boot_ns = now.to_boot_ns(claim->until);
      follow(place, now.boot_ns, orders);
    }
    place = next;
  }
  return orders;
}

std::vector<DenyListed> DenyBook::list(const Clocks& now) const {
  std::vector<DenyListed> listed;
  listed.reserve(entries_.size());
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

std::size_t DenyBook::size_with(const std::vector<DenyEntry>& entries) const {
  std::set<Prefix> fresh;
  for (const DenyEntry& entry : entries) {
    if (entries_.count(entry.cidr) == 0) fresh.insert(entry.cidr);
  }
  return entries_.size() + fresh.size();
}

std::size_t DenyBook::size_with_configured(const std::vector<config::Deny>& entries) const {
  // Those that go are removed after the others are added.
  return entries_.size() + static_cast<std::size_t>(std::count_if(
                               entries.begin(), entries.end(), [this](const config::Deny& entry) {
                                 return entries_.count(entry.cidr) == 0;
                               }));
}

}  // namespace headgate::manage
