// SPDX-License-Identifier: Apache-2.0
// What the manager does about clients: the deny list, and closing connections.
#include <algorithm>
#include <set>
#include <utility>

#include "daemon/kernel/address.h"
#include "daemon/kernel/live.h"
#include "daemon/manage/evict.h"
#include "daemon/manage/live_manager.h"

namespace headgate::manage {
namespace {

// A step of the wall clock that is more than what NTP slews away.
constexpr std::int64_t kClockStepNs = 1'000'000'000;

// Answers "is this address in any of those?" at the cost of one look for each length there is.
class PrefixSet {
 public:
  explicit PrefixSet(const std::vector<DenyEntry>& entries) {
    for (const DenyEntry& entry : entries) {
      prefixes_.insert(entry.cidr);
      lengths_.insert({entry.cidr.address.family(), entry.cidr.length});
    }
  }

  bool holds(const IpAddress& address) const {
    return std::any_of(lengths_.begin(), lengths_.end(), [&](const auto& length) {
      return length.first == address.family() &&
             prefixes_.count(Prefix::of(address, length.second)) > 0;
    });
  }

 private:
  std::set<Prefix> prefixes_;
  std::set<std::pair<IpFamily, std::uint8_t>> lengths_;
};

}  // namespace

// The caller holds changes_.
Result<void> LiveManager::follow(const DenyBook::Orders& orders) {
  // The programs look into the map only when they are told that there is something in it.
  if (deny_book_.size() > 0) limiter_->set_any_denied(true);
  if (auto stopped = limiter_->stop_denying(orders.stop); !stopped) return stopped;
  if (auto denied = limiter_->deny(orders.deny); !denied) return denied;
  if (deny_book_.size() == 0) limiter_->set_any_denied(false);
  return {};
}

Result<DenyReport> LiveManager::deny_add(const std::vector<DenyEntry>& entries, bool evict) {
  const std::lock_guard lock(changes_);
  DenyReport report;
  const std::uint32_t capacity = in_force()->config.tables.denied;
  if (const std::size_t size = deny_book_.size_with(entries); size > capacity) {
    return fail(ErrorCode::kUnavailable, "the deny list would have " + std::to_string(size) +
                                             " entries, more than tables.denied (" +
                                             std::to_string(capacity) + "); nothing was added");
  }
  const auto orders = deny_book_.add(entries, Clocks::now(), report);
  if (auto done = follow(orders); !done) {
    // What can be taken back is; the error that led here is the one to tell.
    (void)follow(deny_book_.undo(orders, Clocks::now()));
    return tl::unexpected(done.error());
  }
  if (!evict) return report;

  auto live = limiter_->find({});
  if (!live) return tl::unexpected(live.error());
  const PrefixSet denied(entries);
  live->erase(std::remove_if(live->begin(), live->end(),
                             [&denied](const hg_live& connection) {
                               return !denied.holds(kernel::to_ip(connection.remote));
                             }),
              live->end());
  const auto closed = close(*live);
  if (!closed) return tl::unexpected(closed.error());
  report.evicted = closed->closed;
  return report;
}

Result<DenyReport> LiveManager::deny_remove(const std::vector<Prefix>& cidrs) {
  const std::lock_guard lock(changes_);
  DenyReport report;
  const auto orders = deny_book_.remove(cidrs, Clocks::now(), report);
  if (!orders) return tl::unexpected(orders.error());
  if (auto done = follow(*orders); !done) return tl::unexpected(done.error());
  for (const Prefix& cidr : cidrs) {
    const auto ended = limiter_->end_penalties(cidr);
    if (!ended) return tl::unexpected(ended.error());
    if (*ended == 0) continue;
    // Known by its penalty, if by nothing else.
    report.removed += *ended;
    if (report.unknown > 0) --report.unknown;
  }
  return report;
}

Result<std::vector<DenyListed>> LiveManager::deny_list() const {
  const Clocks now = Clocks::now();
  std::vector<DenyListed> listed;
  {
    const std::lock_guard lock(changes_);
    listed = deny_book_.list(now);
  }
  const auto penalties = limiter_->penalties();
  if (!penalties) return tl::unexpected(penalties.error());
  const auto in_force = this->in_force();
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
    const auto destroyed = killer_->destroy(kernel::order_to_close(connection));
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
    if (!follow(deny_book_.follow_wall_clock(now))) return;
  }
  wall_clock_offset_ns_ = offset_ns;
  (void)follow(deny_book_.expire(now));  // an expired entry that stays does no harm
}

}  // namespace headgate::manage
