// SPDX-License-Identifier: Apache-2.0
// How the manager follows the host: network namespaces, groups of processes, and the open sockets.
#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/kernel/address.h"
#include "daemon/kernel/namespace_finder.h"
#include "daemon/manage/live_manager.h"

namespace headgate::manage {
namespace {

constexpr std::size_t kLoggedDrift = 20;

Result<kernel::NamedNamespace> open(const kernel::FoundNamespace& found) {
  auto netns = kernel::NetworkNamespace::open(found.path);
  if (!netns) return tl::unexpected(netns.error());
  return kernel::NamedNamespace{
      found.name, std::make_shared<const kernel::NetworkNamespace>(std::move(*netns))};
}

}  // namespace

// Says what is wrong once, not every second.
void LiveManager::complain(std::string& last, const Result<void>& done) {
  const std::string now = done ? std::string() : done.error().to_string();
  if (now == last) return;
  if (!now.empty()) spdlog::error("{}", now);
  last = now;
}

// At the start. One that is named and not there yet is followed, like one that goes and comes
// again; but if there is none at all, that is a mistake.
Result<std::vector<kernel::NamedNamespace>> LiveManager::open_namespaces(
    const config::Namespaces& wanted, std::size_t at_most) {
  std::vector<kernel::NamedNamespace> namespaces;
  for (const kernel::FoundNamespace& found : kernel::find_namespaces(wanted)) {
    // follow_namespaces() says so, and lets in who fits when others have gone.
    if (wanted.is_all && namespaces.size() == at_most) break;
    auto opened = open(found);
    if (!opened && wanted.is_all) continue;  // it has just gone
    if (!opened) return tl::unexpected(opened.error());
    followed_[found.inode] = opened->netns->cookie();
    namespaces.push_back(*std::move(opened));
  }
  for (const std::string& path : wanted.paths) {
    const auto is_it = [&path](const auto& netns) { return netns.name == path; };
    if (std::any_of(namespaces.begin(), namespaces.end(), is_it)) continue;
    const auto missing = kernel::NetworkNamespace::open(path);
    if (missing) continue;  // it has another name, too, or has just come
    if (namespaces.empty()) return tl::unexpected(missing.error());
    spdlog::warn("{}: it is limited as soon as it is there", missing.error().to_string());
  }
  return namespaces;
}

// The caller holds changes_.
Result<void> LiveManager::follow_namespaces() {
  const auto now = in_force();
  std::set<std::uint64_t> there;
  Result<void> done;
  bool has_changed = false;
  for (const kernel::FoundNamespace& found : kernel::find_namespaces(now->config.netns)) {
    there.insert(found.inode);
    if (followed_.count(found.inode) > 0) continue;
    auto opened = open(found);
    if (!opened) continue;  // it has just gone
    if (auto added = limiter_->add_namespace(*opened); !added) {
      done = added;
      continue;
    }
    spdlog::info("network namespace {} is limited from now on", found.name);
    followed_[found.inode] = opened->netns->cookie();
    has_changed = true;
  }
  std::set<std::uint64_t> missing;
  for (auto followed = followed_.begin(); followed != followed_.end();) {
    const auto [inode, cookie] = *followed;
    if (there.count(inode) > 0) {
      ++followed;
    } else if (missing_.count(inode) == 0) {
      missing.insert(inode);  // it may be moving from a process to a name
      ++followed;
    } else {
      limiter_->remove_namespace(cookie);
      spdlog::info("network namespace netns:[{}] has gone", inode);
      followed = followed_.erase(followed);
      has_changed = true;
    }
  }
  missing_ = std::move(missing);
  if (!has_changed) return done;
  close_replies(*now->policy);
  if (auto opened = open_replies(*now->policy); !opened) return opened;
  return done;
}

// The caller holds changes_.
Result<void> LiveManager::follow_groups() {
  return limiter_->follow_groups(group_finder_.find(*in_force()->policy));
}

void LiveManager::follow_host() {
  const std::unique_lock lock(changes_, std::try_to_lock);
  if (!lock) return;  // the next one will do
  complain(namespace_complaint_, follow_namespaces());
  complain(group_complaint_, follow_groups());
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
