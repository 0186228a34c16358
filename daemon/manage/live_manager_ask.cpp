// SPDX-License-Identifier: Apache-2.0
// What the manager tells: counts, clients, and the verdict that a client would get.
#include <optional>
#include <utility>

#include "daemon/manage/explain.h"
#include "daemon/manage/live_manager.h"

namespace headgate::manage {
namespace {

IpAddress loopback(IpFamily family) {
  return *IpAddress::parse(family == IpFamily::kIpv4 ? "127.0.0.1" : "::1");
}

}  // namespace

Result<observe::Snapshot> LiveManager::snapshot() const {
  const auto now = in_force();
  auto snapshot = observe::take_snapshot(now->config, *now->policy, *limiter_);
  if (!snapshot) return snapshot;
  const ReloadStatus status = reload_status();
  {
    const std::lock_guard lock(pointers_);
    for (observe::RuleSnapshot& rule : snapshot->rules) {
      const auto drift = count_drift_.find(rule.name);
      if (drift != count_drift_.end()) rule.count_drift = drift->second;
    }
  }
  snapshot->config = {status.generation, status.was_good, status.time, status.error};
  const reply::Counts replies = replies_->counts();
  snapshot->replies_open = replies.open;
  snapshot->replies_answered = replies.answered;
  snapshot->replies_abandoned = replies.abandoned;
  snapshot->replies_reset = replies.reset;
  snapshot->fronts = fronts_.look();
  for (observe::FrontSnapshot& front : snapshot->fronts) {
    if (!front.number) continue;
    const auto counts = limiter_->front_counts(*front.number);
    if (!counts) return tl::unexpected(counts.error());
    front.counts = *counts;
  }
  snapshot->tables.push_back(
      {"denied", static_cast<std::uint32_t>(denied_count_.load()), now->config.tables.denied});
  return snapshot;
}

Result<std::vector<observe::ClientSnapshot>> LiveManager::clients(
    const observe::ClientQuery& query) const {
  const auto now = in_force();
  return observe::list_clients(now->config, *now->policy, *limiter_, query);
}

ReloadStatus LiveManager::reload_status() const {
  const std::lock_guard lock(pointers_);
  return reload_status_;
}

Result<std::uint64_t> LiveManager::find_netns(const std::string& name) const {
  if (const auto cookie = limiter_->find_netns(name)) return *cookie;
  if (name.empty()) return fail(ErrorCode::kNotFound, "no network namespace is limited now");
  std::string known;
  for (const auto& netns : limiter_->namespaces())
    known += (known.empty() ? "" : ", ") + netns.name;
  return fail(ErrorCode::kNotFound,
              "no network namespace '" + name + "' is limited; there are: " + known);
}

// For a rule: a SYN to whatever address and port of it a client of that family can reach.
Result<hg_explanation> LiveManager::ask(const IpAddress& client, const Target& target,
                                        const InForce& now) const {
  const IpFamily family = client.family();
  const auto netns = find_netns(target.netns);
  if (!netns) return tl::unexpected(netns.error());
  if (target.rule.empty()) {
    const IpAddress server = target.server.value_or(loopback(family));
    const std::uint16_t port = target.port.value_or(0);
    auto found = limiter_->explain(*netns, client, server, port);
    if (found && found->rule == HG_NO_RULE) {
      return fail(ErrorCode::kNotFound, "no rule covers port " + std::to_string(port) + " of " +
                                            server.to_string() +
                                            ": its connections are not limited");
    }
    return found;
  }
  if (auto known = observe::check_rule_name(now.config, target.rule); !known) {
    return tl::unexpected(known.error());
  }
  const policy::RuleId id = now.policy->numbers.rules.at(target.rule);
  const config::Rule& rule = now.config.rules[now.policy->rules.at(id).index];
  for (const config::Listen& listen : rule.listen) {
    if (listen.is_group()) continue;  // whose ports are not known here
    if (listen.is_udp) continue;      // a SYN is asked about
    const IpAddress server = listen.address ? listen.address->address : loopback(family);
    if (server.family() != family) continue;
    auto found = limiter_->explain(*netns, client, server, listen.first_port);
    if (!found) return found;
    if (found->rule == id) return found;
  }
  return fail(ErrorCode::kNotFound, "rule '" + rule.name + "' has no listen entry for TCP that " +
                                        (family == IpFamily::kIpv4 ? "an IPv4" : "an IPv6") +
                                        " client reaches");
}

Result<Explanation> LiveManager::explain(const IpAddress& client, const Target& target) const {
  const auto now = in_force();
  const auto found = ask(client, target, *now);
  if (!found) return tl::unexpected(found.error());
  const auto compiled = now->policy->rules.find(static_cast<policy::RuleId>(found->rule));
  if (compiled == now->policy->rules.end()) {
    return fail(ErrorCode::kUnavailable, "the policy has just changed; asking again may help");
  }
  const config::Rule& rule = now->config.rules[compiled->second.index];
  Explanation told = to_explanation(*found, rule, compiled->second.limits, client);
  if (!told.deny) return told;
  const Prefix cidr = told.deny->entry.cidr;
  std::optional<DenyListed> listed;
  if (told.deny->source == DenyListed::Source::kConfig) {
    listed = find_configured(now->config, cidr);
  } else {
    const std::lock_guard lock(book_);
    listed = deny_book_.find(cidr, Clocks::now());
  }
  if (listed) told.deny = *std::move(listed);
  return told;
}

std::chrono::seconds LiveManager::when_again(const reply::Refused& refused) const {
  constexpr std::chrono::seconds kUnknown{1};
  const auto now = in_force();
  const auto found =
      limiter_->explain(refused.netns_cookie, refused.client, refused.server, refused.port);
  if (!found) return kUnknown;
  const auto rule = now->policy->rules.find(static_cast<policy::RuleId>(found->rule));
  return rule == now->policy->rules.end() ? kUnknown : retry_after(*found, rule->second.limits);
}

}  // namespace headgate::manage
