// SPDX-License-Identifier: Apache-2.0
// What the manager does about clients: the deny list, and closing connections.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "common/prefix_set.h"
#include "daemon/kernel/address.h"
#include "daemon/kernel/live.h"
#include "daemon/manage/evict.h"
#include "daemon/manage/live_manager.h"

namespace headgate::manage {
namespace {

// A step of the wall clock that is more than what NTP slews away.
constexpr std::int64_t kClockStepNs = 1'000'000'000;

bool has_passed(const config::Deny& entry, const Clocks& now) {
  return entry.until && *entry.until <= now.wall;
}

template <typename Operation>
auto under(std::mutex& mutex, Operation operation) {
  const std::lock_guard lock(mutex);
  return operation();
}

}  // namespace

// The caller holds changes_. What has failed is made up for by the next call: it writes the book.
Result<void> LiveManager::follow(const DenyBook::Orders& orders) {
  // Each change of the list makes the front line forget whom it has found on it.
  if (orders.stop.empty() && orders.deny.empty() && !must_resync_) return {};
  const bool is_empty = deny_book_.size() == 0;
  denied_count_ = deny_book_.size();
  // The programs look into the map only when they are told that there is something in it.
  if (!is_empty) limiter_->set_any_denied(true, deny_book_.has_hard());
  DenyBook::Orders everything;
  if (must_resync_) everything = deny_book_.everything();
  const DenyBook::Orders& missing = must_resync_ ? everything : orders;
  must_resync_ = true;
  if (auto stopped = limiter_->stop_denying(missing.stop); !stopped) return stopped;
  if (auto denied = limiter_->deny(missing.deny); !denied) return denied;
  if (is_empty) limiter_->set_any_denied(false);
  must_resync_ = false;
  under(book_, [this] { deny_book_.followed(); });
  return {};
}

// The caller holds changes_.
Result<DenyReport> LiveManager::add_denials(const std::vector<DenyEntry>& entries,
                                            const Clocks& now) {
  const std::uint32_t capacity = in_force()->config.tables.denied;
  if (const std::size_t size = deny_book_.size_with(entries, now); size > capacity) {
    return fail(ErrorCode::kUnavailable, "the deny list would have " + std::to_string(size) +
                                             " entries, more than tables.denied (" +
                                             std::to_string(capacity) + "); nothing was added");
  }
  // What has expired takes up room in the kernel.
  const auto expired = under(book_, [&] { return deny_book_.expire(now); });
  if (auto done = follow(expired); !done) return tl::unexpected(done.error());
  DenyReport report;
  const auto orders = under(book_, [&] { return deny_book_.add(entries, now, report); });
  if (auto done = follow(orders); !done) {
    // What can be taken back is; the error that led here is the one to tell.
    (void)follow(under(book_, [&] { return deny_book_.undo(orders, Clocks::now()); }));
    return tl::unexpected(done.error());
  }
  return report;
}

Result<DenyReport> LiveManager::deny_add(const std::vector<DenyEntry>& entries, bool evict) {
  const std::lock_guard lock(changes_);
  auto report = add_denials(entries, Clocks::now());
  if (!report || !evict) return report;

  const auto in_force = this->in_force();
  auto live = limiter_->find({});
  if (!live) return tl::unexpected(live.error());
  std::vector<Prefix> cidrs;
  for (const DenyEntry& entry : entries) cidrs.push_back(entry.cidr);
  const PrefixSet denied(cidrs);
  live->erase(std::remove_if(live->begin(), live->end(),
                             [&](const hg_live& connection) {
                               return !denied.holds(kernel::to_ip(connection.remote)) ||
                                      is_exempt(*in_force->policy, connection);
                             }),
              live->end());
  const auto closed = close(*live);
  if (!closed) return tl::unexpected(closed.error());
  report->evicted = closed->closed;
  return report;
}

Result<void> LiveManager::deny_for(const Prefix& client, std::chrono::milliseconds length,
                                   const std::string& reason) {
  const std::lock_guard lock(changes_);
  const Clocks now = Clocks::now();
  DenyEntry entry{client, reason, now.wall + length, false};
  if (const auto known = deny_book_.find(client, now)) {
    if (!known->entry.until || *known->entry.until >= *entry.until) return {};
    // What an operator has said of it still holds; it only lasts longer.
    entry.reason = known->entry.reason;
    entry.is_hard = known->entry.is_hard;
  }
  const auto added = add_denials({entry}, now);
  if (!added) return tl::unexpected(added.error());
  return {};
}

Result<DenyReport> LiveManager::deny_remove(const std::vector<Prefix>& cidrs) {
  const std::lock_guard lock(changes_);
  const Clocks now = Clocks::now();
  const auto in_force = this->in_force();
  std::unordered_set<Prefix> configured;
  for (const config::Deny& entry : in_force->config.clients.deny) {
    if (!has_passed(entry, now)) configured.insert(entry.cidr);
  }
  for (const Prefix& cidr : cidrs) {
    if (configured.count(cidr) == 0 || deny_book_.find(cidr, now)) continue;
    return fail(ErrorCode::kInvalidArgument,
                cidr.to_string() +
                    " is denied by the configuration (clients.deny); taking it out there, and a "
                    "reload, would be right");
  }
  DenyReport report;
  const auto orders = under(book_, [&] { return deny_book_.remove(cidrs, now, report); });
  if (auto done = follow(orders); !done) return tl::unexpected(done.error());
  const auto ended = limiter_->end_penalties(cidrs);
  if (!ended) return tl::unexpected(ended.error());
  // A range may be known by a penalty, if by nothing else; whose each of them was, nobody tells.
  report.removed += *ended;
  report.unknown -= std::min(report.unknown, *ended);
  return report;
}

Result<std::vector<DenyListed>> LiveManager::deny_list() const {
  const Clocks now = Clocks::now();
  const auto in_force = this->in_force();
  std::vector<DenyListed> listed;
  for (const config::Deny& entry : in_force->config.clients.deny) {
    if (has_passed(entry, now)) continue;
    listed.push_back({{entry.cidr, entry.reason, entry.until}, DenyListed::Source::kConfig, {}});
  }
  const auto by_operators = under(book_, [&] { return deny_book_.list(now); });
  listed.insert(listed.end(), by_operators.begin(), by_operators.end());
  const auto penalties = limiter_->penalties();
  if (!penalties) return tl::unexpected(penalties.error());
  for (const kernel::Penalised& penalty : *penalties) {
    const auto compiled = in_force->policy->rules.find(penalty.rule);
    if (penalty.left_ns == 0 || compiled == in_force->policy->rules.end()) continue;
    const config::Rule& rule = in_force->config.rules[compiled->second.index];
    const config::PrefixLengths& cut = rule.settings.client_prefix;
    const bool is_ipv4 = penalty.address.family() == IpFamily::kIpv4;
    const auto left = std::chrono::nanoseconds(penalty.left_ns);
    listed.push_back({{Prefix::of(penalty.address, is_ipv4 ? cut.ipv4 : cut.ipv6),
                       "refused too often, penalty " + std::to_string(penalty.times),
                       now.wall + std::chrono::duration_cast<std::chrono::microseconds>(left)},
                      DenyListed::Source::kPenalty,
                      rule.name});
  }
  std::stable_sort(listed.begin(), listed.end(), [](const DenyListed& a, const DenyListed& b) {
    return a.entry.cidr < b.entry.cidr;
  });
  return listed;
}

Result<EvictReport> LiveManager::evict(const Prefix& cidr, const std::string& rule,
                                       bool only_excess) {
  const std::lock_guard lock(changes_);
  const auto now = in_force();
  kernel::LiveFilter filter;
  if (!rule.empty()) {
    if (auto known = observe::check_rule_name(now->config, rule); !known) {
      return tl::unexpected(known.error());
    }
    filter.rule = now->policy->numbers.rules.at(rule);
  }
  // What is beyond a limit depends on the others under it, too.
  if (!only_excess) filter.client = cidr;
  auto live = limiter_->find(filter);
  if (!live) return tl::unexpected(live.error());
  return close(only_excess ? find_excess(*now->policy, *std::move(live), cidr) : *live);
}

// The caller holds changes_.
Result<EvictReport> LiveManager::close(const std::vector<hg_live>& connections) {
  EvictReport report;
  for (const hg_live& connection : connections) {
    const auto destroyed = limiter_->close(kernel::order_to_close(connection));
    if (!destroyed) {
      return fail("closed " + std::to_string(report.closed) + " of " +
                      std::to_string(connections.size()) + " connections",
                  destroyed.error());
    }
    ++(*destroyed ? report.closed : report.gone);
  }
  return report;
}

void LiveManager::tick() {
  const std::unique_lock lock(changes_, std::try_to_lock);
  if (!lock) return;  // the next one will do
  const Clocks now = Clocks::now();
  const std::int64_t offset_ns = now.wall_clock_offset_ns();
  if (std::abs(offset_ns - wall_clock_offset_ns_) > kClockStepNs) {
    limiter_->set_wall_offset(offset_ns);
    under(book_, [&] { deny_book_.follow_wall_clock(now); });
    wall_clock_offset_ns_ = offset_ns;
  }
  if (must_rekey_ && limiter_->rekey()) must_rekey_ = false;
  // An expired entry that stays does no harm.
  (void)follow(under(book_, [&] { return deny_book_.expire(now); }));
}

}  // namespace headgate::manage
