// SPDX-License-Identifier: Apache-2.0
// How the manager follows the host: network namespaces, groups of processes, network
// interfaces, and the open sockets.
#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/kernel/address.h"
#include "daemon/manage/live_manager.h"

namespace headgate::manage {
namespace {

constexpr std::size_t kLoggedDrift = 20;

}  // namespace

// Says what is wrong once, not every second.
void LiveManager::complain(std::string& last, const Result<void>& done) {
  const std::string now = done ? std::string() : done.error().to_string();
  if (now == last) return;
  if (!now.empty()) spdlog::error("{}", now);
  last = now;
}

// The caller holds changes_.
Result<void> LiveManager::follow_groups() {
  return limiter_->follow_groups(group_finder_.find(*in_force()->policy));
}

void LiveManager::follow_host() {
  const std::unique_lock lock(changes_, std::try_to_lock);
  if (!lock) return;  // the next one will do
  complain(namespace_complaint_, namespaces_.follow(*limiter_));
  const auto now = in_force();
  sockets_->close_unused(*now->policy);
  sockets_->open(*now->policy, RefusalSockets::Retry::kAfterPause);
  complain(group_complaint_, follow_groups());
  fronts_.follow(*limiter_);
}

Result<VerifyReport> LiveManager::verify(bool repair) {
  const std::lock_guard lock(changes_);
  const auto found = limiter_->compare();
  if (!found) return tl::unexpected(found.error());
  const auto now = in_force();
  VerifyReport report;
  report.connections = found->connections;
  report.clients = found->clients;
  std::map<std::string, std::uint64_t> drift_by_rule;
  for (const config::Rule& rule : now->config.rules) drift_by_rule[rule.name] = 0;
  for (const kernel::CountDrift& drift : found->drift) {
    const auto compiled = now->policy->rules.find(drift.key.rule);
    Drift told{limiter_->netns_name(drift.key.netns),
               rule_name(drift.key.rule),
               {},
               drift.counted,
               drift.live};
    if (compiled != now->policy->rules.end() && drift.key.level != HG_LEVEL_TOTAL) {
      const config::RuleSettings& settings = now->config.rules[compiled->second.index].settings;
      const config::PrefixLengths& cut =
          drift.key.level == HG_LEVEL_CLIENT ? settings.client_prefix : settings.network_prefix;
      const IpAddress address = kernel::to_ip(drift.key.address);
      const bool is_ipv4 = address.family() == IpFamily::kIpv4;
      told.client = Prefix::of(address, is_ipv4 ? cut.ipv4 : cut.ipv6).to_string();
    }
    const std::int64_t difference = std::int64_t{drift.counted} - drift.live;
    drift_by_rule[told.rule] += static_cast<std::uint64_t>(std::abs(difference));
    report.drift.push_back(std::move(told));
  }
  std::sort(report.drift.begin(), report.drift.end(), [](const Drift& a, const Drift& b) {
    return std::tie(a.netns, a.rule, a.client) < std::tie(b.netns, b.rule, b.client);
  });
  {
    const std::lock_guard instant(pointers_);
    count_drift_ = std::move(drift_by_rule);
  }
  if (report.drift.empty() || !repair) return report;
  if (auto repaired = limiter_->repair(); !repaired) {
    return fail("cannot repair the counters", repaired.error());
  }
  const auto left = limiter_->compare();
  if (!left) return tl::unexpected(left.error());
  report.is_repaired = left->drift.empty();
  return report;
}

void LiveManager::check_counts() {
  const auto report = verify(true);
  if (!report) {
    spdlog::error("cannot compare the counters with the open sockets: {}",
                  report.error().to_string());
    return;
  }
  if (report->drift.empty()) {
    const auto counted = limiter_->count_rest();
    if (!counted) {
      spdlog::error("cannot count what found no room in a table: {}", counted.error().to_string());
    }
    return;
  }
  for (std::size_t i = 0; i < std::min(report->drift.size(), kLoggedDrift); ++i) {
    const Drift& drift = report->drift[i];
    spdlog::error("count drift: rule {}, {}{}: {} counted, {} open", drift.rule,
                  drift.client.empty() ? "in all" : drift.client,
                  drift.netns.empty() ? "" : " in " + drift.netns, drift.counted, drift.live);
  }
  if (report->drift.size() > kLoggedDrift) {
    spdlog::error("count drift: and {} more", report->drift.size() - kLoggedDrift);
  }
  if (report->is_repaired) {
    spdlog::warn("the counters agree with the open sockets again");
  } else {
    spdlog::error("the counters could not be repaired; headgatectl verify tells more");
  }
}

}  // namespace headgate::manage
