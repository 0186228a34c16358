// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/difference.h"

#include <unordered_map>

#include "daemon/config/difference_parts.h"
#include "daemon/config/difference_quotas.h"
#include "daemon/config/flatten.h"
#include "daemon/config/flatten_quotas.h"
#include "daemon/config/namespaces.h"
#include "daemon/config/timestamp.h"
#include "daemon/config/words.h"

namespace headgate::config {
namespace {

using Kind = Change::Kind;

constexpr std::string_view kOverrides = "overrides[";

// Splits off the overrides: by prefix, all that is said of one.
Flat take_overrides(Flat& flat) {
  Flat by_prefix;
  auto at = flat.lower_bound(std::string(kOverrides));
  while (at != flat.end() && at->first.starts_with(kOverrides)) {
    const std::size_t end = at->first.find("].");
    by_prefix[at->first.substr(0, end)] += at->first.substr(end) + "=" + at->second + "\n";
    at = flat.erase(at);
  }
  return by_prefix;
}

void add_rule_changes(const Rule& from, const Rule& to, std::vector<Change>& into) {
  Flat before = flatten(from);
  Flat after = flatten(to);
  Flat rest_before = before;
  Flat rest_after = after;
  const Count overrides = compare(take_overrides(rest_before), take_overrides(rest_after));
  if (overrides.all() <= kMostOverrides) {
    add_changed_keys(before, after, Kind::kChanged, from.name, into);
    return;
  }
  add_changed_keys(rest_before, rest_after, Kind::kChanged, from.name, into);
  into.push_back({Kind::kChanged, from.name, "overrides", "", overrides.text()});
}

void add_rules(const Config& from, const Config& to, std::vector<Change>& into) {
  std::unordered_map<std::string_view, const Rule*> before;
  std::unordered_map<std::string_view, const Rule*> after;
  for (const Rule& rule : from.rules) before.emplace(rule.name, &rule);
  for (const Rule& rule : to.rules) after.emplace(rule.name, &rule);
  for (const Rule& rule : from.rules) {
    const auto found = after.find(rule.name);
    if (found == after.end()) {
      into.push_back({Kind::kRemoved, rule.name, "", "", ""});
    } else {
      add_rule_changes(rule, *found->second, into);
    }
  }
  for (const Rule& rule : to.rules) {
    if (!before.contains(rule.name)) into.push_back({Kind::kAdded, rule.name, "", "", ""});
  }
}

std::unordered_map<Prefix, bool> exempt_of(const Config& config) {
  std::unordered_map<Prefix, bool> by_prefix;
  for (const Exempt& exempt : config.clients.exempt) by_prefix.emplace(exempt.cidr, true);
  return by_prefix;
}

using DenyText = std::pair<std::string_view, std::optional<std::chrono::sys_seconds>>;

std::unordered_map<Prefix, DenyText> deny_of(const Config& config) {
  std::unordered_map<Prefix, DenyText> by_prefix;
  for (const Deny& deny : config.clients.deny) {
    by_prefix.emplace(deny.cidr, DenyText(deny.reason, deny.until));
  }
  return by_prefix;
}

void add_summary(const std::string& key, const Count& count, std::vector<Change>& into) {
  if (count.all() > 0) into.push_back({Kind::kChanged, "", key, "", count.text()});
}

// What is read when the daemon stops: a reload is in time for it.
Flat stop_values(const Config& config) {
  return {{"on_stop", std::string(word_for(kOnStop, config.on_stop))}};
}

// What is read only when the daemon starts.
Flat start_values(const Config& config) {
  const TableSizes& tables = config.tables;
  Flat flat = flatten(config.quotas);
  flat.merge(Flat{
      {"tables.connections", std::to_string(tables.connections)},
      {"tables.clients", std::to_string(tables.clients)},
      {"tables.recent", std::to_string(tables.recent)},
      {"tables.penalties", std::to_string(tables.penalties)},
      {"tables.denied", std::to_string(tables.denied)},
      {"tables.namespaces", std::to_string(tables.namespaces)},
      {"metrics.listen", config.metrics_listen.value_or(std::string(kOff))},
      {"control.socket", config.control_socket},
      {"cgroup", config.cgroup},
      {"netns", to_string(config.netns)},
      {"share_across_netns", std::string(word_for(kTruth, config.netns.share_counts))},
      {"pin_dir", config.pin_dir},
      {"replies.at_once", std::to_string(config.max_replies)},
      {"reload.watch", std::string(word_for(kSwitch, config.watch))},
  });
  return flat;
}

}  // namespace

std::vector<Change> difference(const Config& from, const Config& to) {
  std::vector<Change> changes;
  add_rules(from, to, changes);
  add_summary("clients.exempt", compare(exempt_of(from), exempt_of(to)), changes);
  add_summary("clients.deny", compare(deny_of(from), deny_of(to)), changes);
  add_changed_keys(stop_values(from), stop_values(to), Kind::kChanged, "", changes);
  add_changed_keys(flatten(from.xdp), flatten(to.xdp), Kind::kChanged, "", changes);
  add_quota_changes(from.quotas, to.quotas, changes);
  add_changed_keys(start_values(from), start_values(to), Kind::kNeedsRestart, "", changes);
  add_quota_restarts(from.quotas, to.quotas, changes);
  return changes;
}

std::string to_string(const Change& change) {
  const std::string rule = "rule '" + change.rule + "'";
  switch (change.kind) {
    case Kind::kAdded:
      return rule + ": added";
    case Kind::kRemoved:
      return rule + ": removed";
    case Kind::kChanged:
    case Kind::kNeedsRestart:
      break;
  }
  std::string text = change.rule.empty() ? "" : rule + ": ";
  text += change.key + ": ";
  text += change.from.empty() ? change.to : change.from + " -> " + change.to;
  return text + (change.kind == Kind::kNeedsRestart ? " (at the next start)" : "");
}

}  // namespace headgate::config
