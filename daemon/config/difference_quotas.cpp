// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/difference_quotas.h"

#include <map>
#include <optional>

#include "daemon/config/difference_parts.h"
#include "daemon/config/flatten_quotas.h"

namespace headgate::config {
namespace {

using Kind = Change::Kind;
using Tree = std::map<std::string, Flat>;
using Domains = std::map<std::string_view, const QuotaDomain*>;

Domains by_name(const Quotas& quotas) {
  Domains domains;
  for (const QuotaDomain& domain : quotas.domains) domains.emplace(domain.name, &domain);
  return domains;
}

std::string key_of(const QuotaDomain& domain) {
  return "quotas." + part_text(domain.name);
}

// A domain that is in one configuration only.
std::string summary(const QuotaDomain& domain) {
  const std::size_t rules = domain.descriptors.size();
  const std::size_t clients = domain.clients.size();
  return "{ descriptors: " + std::to_string(rules) + ", clients: " + std::to_string(clients) + " }";
}

// A rule, or a client's quotas, that is in one configuration only.
std::string whole_text(const Flat& flat) {
  std::string text;
  for (const auto& [key, value] : flat) text += (text.empty() ? "" : ", ") + key + ": " + value;
  return text.empty() ? "{}" : "{ " + text + " }";
}

void add_tree_changes(const Tree& from, const Tree& to, const std::string& domain,
                      std::vector<Change>& into) {
  Tree both = from;
  both.insert(to.begin(), to.end());
  for (const auto& [path, ignored] : both) {
    const auto before = from.find(path);
    const auto after = to.find(path);
    const std::string key = path.empty() ? domain : domain + "." + path;
    if (before == from.end()) {
      into.push_back({Kind::kChanged, "", key, "none", whole_text(after->second)});
    } else if (after == to.end()) {
      into.push_back({Kind::kChanged, "", key, whole_text(before->second), "none"});
    } else {
      add_changed_keys(before->second, after->second, Kind::kChanged, "", into, key + ".");
    }
  }
}

void add_domain_changes(const QuotaDomain& from, const QuotaDomain& to, std::vector<Change>& into) {
  const Tree before = flatten(from);
  const Tree after = flatten(to);
  const Count count = compare(before, after);
  if (count.all() <= kMostQuotaRules) {
    add_tree_changes(before, after, key_of(from), into);
  } else {
    into.push_back({Kind::kChanged, "", key_of(from), "", count.text()});
  }
}

Flat max_keys(const QuotaDomain& domain) {
  if (!domain.max_keys) return {};
  return {{"max_keys", std::to_string(*domain.max_keys)}};
}

}  // namespace

void add_quota_changes(const Quotas& from, const Quotas& to, std::vector<Change>& into) {
  add_changed_keys({{"rule_files", paths_text(from.rule_files)}},
                   {{"rule_files", paths_text(to.rule_files)}}, Kind::kChanged, "", into,
                   "quotas.");
  const Domains before = by_name(from);
  const Domains after = by_name(to);
  for (const auto& [name, domain] : before) {
    const auto other = after.find(name);
    if (other != after.end()) {
      add_domain_changes(*domain, *other->second, into);
    } else {
      into.push_back({Kind::kChanged, "", key_of(*domain), summary(*domain), "none"});
    }
  }
  for (const auto& [name, domain] : after) {
    if (before.contains(name)) continue;
    into.push_back({Kind::kChanged, "", key_of(*domain), "none", summary(*domain)});
  }
}

void add_quota_restarts(const Quotas& from, const Quotas& to, std::vector<Change>& into) {
  const Domains after = by_name(to);
  for (const auto& [name, domain] : by_name(from)) {
    const auto other = after.find(name);
    if (other == after.end()) continue;
    add_changed_keys(max_keys(*domain), max_keys(*other->second), Kind::kNeedsRestart, "", into,
                     key_of(*domain) + ".");
  }
}

}  // namespace headgate::config
