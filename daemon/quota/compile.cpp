// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/compile.h"

#include <map>
#include <utility>

#include "daemon/config/quota_readers.h"
#include "daemon/quota/account.h"
#include "daemon/quota/service_rules.h"
#include "quota/key.h"
#include "quota/service_policy.h"

namespace headgate::quota {
namespace {

using config::QuotaAlgorithm;
using config::QuotaRule;

std::string path_of(const std::string& parent, const std::string& key, const std::string* value) {
  std::string path = parent.empty() ? key : parent + "." + key;
  if (value != nullptr) path += "_" + *value;
  return path;
}

void count_names(const std::vector<QuotaRule>& rules, std::map<std::string, int>& names) {
  for (const QuotaRule& rule : rules) {
    if (rule.limit && !rule.name.empty()) ++names[rule.name];
    count_names(rule.descriptors, names);
  }
}

class DomainCompiler {
 public:
  DomainCompiler(Domain& domain, const Domain* former) : domain_(domain) {
    if (former == nullptr) return;
    former_rules_ = former->service_rules;
    for (const auto& limit : former->limits) tallies_[limit->identity] = limit->tally;
  }

  void compile(const std::vector<QuotaRule>& rules) {
    count_names(rules, names_);
    add(rules, domain_.tree.root(), "", 0);
    std::string bytes = service_rules_.take();
    domain_.service_rules = former_rules_ && former_rules_->bytes() == bytes
                                ? former_rules_
                                : std::make_shared<const ServiceRules>(std::move(bytes));
    for (const auto& limit : domain_.limits) domain_.by_identity[limit->identity] = limit.get();
  }

 private:
  void add(const std::vector<QuotaRule>& rules, RuleTree::Node& parent, const std::string& above,
           std::size_t level) {
    for (const QuotaRule& rule : rules) {
      shared_values_.erase(level);
      if (rule.share_threshold && rule.value) shared_values_[level] = *rule.value;
      const std::string* const value = rule.value ? &*rule.value : nullptr;
      const std::string path = path_of(above, rule.key, value);
      const Limit* const limit = rule.limit ? limit_of(rule, path, level) : nullptr;
      RuleTree::Node& node = domain_.tree.add(parent, rule.key, value, limit);
      service_rules_.add(level, rule.key, value, limit);
      add(rule.descriptors, node, path, level + 1);
    }
    shared_values_.erase(level);
  }

  const Limit* limit_of(const QuotaRule& rule, const std::string& path, std::size_t level) {
    auto limit = std::make_unique<Limit>();
    limit->name = rule.name.empty() ? path : rule.name;
    limit->path = path;
    limit->settings = *rule.limit;
    limit->prepare();
    limit->shadow_mode = rule.shadow_mode;
    limit->quota_mode = rule.quota_mode;
    limit->is_enforced = !rule.shadow_mode && !rule.quota_mode;
    limit->has_penalty = rule.penalty.has_value();
    limit->detailed_metric = rule.detailed_metric;
    limit->value_to_metric = rule.value_to_metric;
    limit->shared_values = shared_values_;
    limit->level = level;
    limit->replaces = rule.replaces;
    limit->penalty = rule.penalty;
    const auto named = names_.find(rule.name);
    limit->identity = identity_of(*limit, named != names_.end() && named->second == 1);
    std::shared_ptr<Tally>& tally = tallies_[limit->identity];
    if (!tally) tally = std::make_shared<Tally>();
    limit->tally = tally;
    domain_.limits.push_back(std::move(limit));
    return domain_.limits.back().get();
  }

  Domain& domain_;
  std::map<std::string, int> names_;
  std::map<std::size_t, std::string> shared_values_;  // of the levels above, and of this one
  std::map<std::uint64_t, std::shared_ptr<Tally>> tallies_;
  std::shared_ptr<const ServiceRules> former_rules_;
  ServicePolicyWriter service_rules_;
};

Result<Domain> compile_domain(const config::QuotaDomain& from, std::uint32_t default_max_keys,
                              const Domain* former) {
  Domain domain;
  domain.name = from.name;
  domain.clients = from.clients;
  domain.check_all_then_commit = from.check_all_then_commit;
  DomainCompiler(domain, former).compile(from.descriptors);
  if (former != nullptr) {
    domain.usage = former->usage;
    domain.account = former->account;
    return domain;
  }
  const std::uint32_t max_keys = from.max_keys.value_or(default_max_keys);
  domain.usage = std::make_shared<Usage>(max_keys);
  auto account = Account::create(from.name, max_keys);
  if (!account) return tl::unexpected(account.error());
  domain.account = *std::move(account);
  return domain;
}

const Domain* domain_in(const Policy* policy, const std::string& name) {
  if (policy == nullptr) return nullptr;
  const auto found = policy->domains.find(name);
  return found != policy->domains.end() ? &found->second : nullptr;
}

}  // namespace

Result<std::shared_ptr<const Policy>> compile(const config::Quotas& quotas, const Policy* former) {
  auto policy = std::make_shared<Policy>();
  for (const config::QuotaDomain& from : quotas.domains) {
    auto domain = compile_domain(from, quotas.max_keys, domain_in(former, from.name));
    if (!domain) return tl::unexpected(domain.error());
    policy->domains.emplace(from.name, *std::move(domain));
  }
  return policy;
}

std::uint64_t identity_of(const Limit& limit, bool has_own_name) {
  std::string text(1, static_cast<char>(limit.settings.algorithm));
  // The number of a window says nothing without its length.
  if (limit.settings.algorithm == QuotaAlgorithm::kFixedWindow) {
    text += std::to_string(limit.settings.per.count());
  }
  text += has_own_name ? "\nname " + limit.name : "\npath " + limit.path;
  return stable_hash(text);
}

std::unique_ptr<const Limit> make_override(const LimitOverride& from,
                                           const std::vector<Entry>& entries) {
  auto limit = std::make_unique<Limit>();
  for (const Entry& entry : entries) {
    const std::string value(entry.value);
    limit->path = path_of(limit->path, std::string(entry.key), value.empty() ? nullptr : &value);
  }
  limit->name = "override";
  limit->settings.algorithm = QuotaAlgorithm::kFixedWindow;
  limit->settings.requests = from.requests;
  limit->settings.per = config::period_of(from.unit);
  limit->settings.unit = from.unit;
  limit->prepare();
  limit->identity = identity_of(*limit, false) + 1;  // not that of a rule with such a path
  return limit;
}

}  // namespace headgate::quota
