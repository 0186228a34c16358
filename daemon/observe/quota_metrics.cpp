// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/quota_metrics.h"

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "daemon/observe/family.h"
#include "quota/limit.h"

namespace headgate::observe {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

double value_of(const std::atomic<std::uint64_t>& counter) {
  return static_cast<double>(counter.load(std::memory_order_relaxed));
}

// Several rules may have the same name: then they are one series.
using Sums = std::map<std::pair<std::string, std::string>, double>;

class Rules {
 public:
  explicit Rules(const quota::Policy& policy) : policy_(policy) {}

  MetricFamily family(const std::string& name, const std::string& help, MetricType type,
                      const std::function<double(const quota::Limit&)>& value) const {
    Sums sums;
    for_each([&](const std::string& domain, const quota::Limit& limit) {
      sums[{domain, limit.name}] += value(limit);
    });
    Family family(name, help, type);
    for (const auto& [key, sum] : sums)
      family.add({{"domain", key.first}, {"rule", key.second}}, sum);
    return family.take();
  }

  MetricFamily checks() const {
    std::map<std::string, Sums> by_outcome;
    for_each([&](const std::string& domain, const quota::Limit& limit) {
      const std::pair key{domain, limit.name};
      by_outcome["admitted"][key] += value_of(limit.tally->admitted);
      by_outcome["refused"][key] += value_of(limit.tally->refused);
      by_outcome["shadow"][key] += value_of(limit.tally->shadow);
      by_outcome["uncounted"][key] += value_of(limit.tally->uncounted);
    });
    Family family("headgate_quota_checks_total", "Descriptors that were judged, by outcome.",
                  MetricType::Counter);
    for (const auto& [outcome, sums] : by_outcome) {
      for (const auto& [key, sum] : sums) {
        family.add({{"domain", key.first}, {"rule", key.second}, {"outcome", outcome}}, sum);
      }
    }
    return family.take();
  }

 private:
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const auto& [name, domain] : policy_.domains) {
      for (const auto& limit : domain.limits) visit(name, *limit);
    }
  }

  const quota::Policy& policy_;
};

MetricFamily per_domain(const quota::Policy& policy, const std::string& name,
                        const std::string& help, MetricType type,
                        const std::function<double(const quota::Engine::KeyCount&)>& value) {
  Family family(name, help, type);
  for (const auto& [domain_name, domain] : policy.domains) {
    family.add({{"domain", domain_name}}, value(quota::Engine::keys(domain)));
  }
  return family.take();
}

// Only of rules that ask for it.
MetricFamily key_checks(const quota::Engine& engine, const quota::Policy& policy) {
  Family family("headgate_quota_key_checks_total",
                "Checks of single keys, of rules with detailed_metric or value_to_metric.",
                MetricType::Counter);
  for (const auto& [name, domain] : policy.domains) {
    std::map<std::pair<std::string, std::string>, quota::KeyUse> keys;
    for (quota::KeyUse& use : engine.detailed_keys(domain, kMostKeySeries)) {
      const std::pair key{use.rule, use.label};
      quota::KeyUse& sum = keys[key];
      sum.hits += use.hits;
      sum.refused += use.refused;
    }
    for (const auto& [key, use] : keys) {
      const auto add = [&](const char* outcome, std::uint64_t count) {
        family.add(
            {{"domain", name}, {"rule", key.first}, {"key", key.second}, {"outcome", outcome}},
            static_cast<double>(count));
      };
      add("admitted", use.hits - std::min(use.hits, use.refused));
      add("refused", use.refused);
    }
  }
  return family.take();
}

MetricFamily in_flight(const quota::Engine& engine, const quota::Policy& policy) {
  Family family("headgate_quota_in_flight", "Permits that are taken, of limits of concurrency.",
                MetricType::Gauge);
  for (const auto& [name, domain] : policy.domains) {
    for (const auto& [rule, count] : engine.in_flight(domain)) {
      family.add({{"domain", name}, {"rule", rule}}, static_cast<double>(count));
    }
  }
  return family.take();
}

constexpr std::pair<quota::UsageKind, const char*> kKinds[] = {
    {quota::UsageKind::kTime, "time"},
    {quota::UsageKind::kBytes, "bytes"},
    {quota::UsageKind::kConnections, "connections"}};

MetricFamily usage(const quota::Policy& policy, const std::string& name, const std::string& help,
                   const std::function<double(const quota::Usage::Totals&)>& value) {
  Family family(name, help, MetricType::Counter);
  for (const auto& [domain_name, domain] : policy.domains) {
    if (domain.clients.empty()) continue;
    for (const auto& [kind, word] : kKinds) {
      family.add({{"domain", domain_name}, {"kind", word}}, value(domain.usage->totals(kind)));
    }
  }
  return family.take();
}

double limit_value(const quota::Limit& limit) {
  return quota::is_adaptive(limit.settings) ? limit.settings.ceiling : limit.settings.requests;
}

}  // namespace

std::vector<MetricFamily> quota_metrics(const quota::Engine& engine) {
  const std::shared_ptr<const quota::Policy> policy = engine.policy();
  const Rules rules(*policy);
  std::vector<MetricFamily> families;
  families.push_back(rules.checks());
  families.push_back(rules.family(
      "headgate_quota_near_limit_total",
      "Admitted descriptors that left less than 20 % of the limit.", MetricType::Counter,
      [](const quota::Limit& limit) { return value_of(limit.tally->near_limit); }));
  families.push_back(rules.family(
      "headgate_quota_shadow_total",
      "Descriptors admitted in shadow mode that would have been refused.", MetricType::Counter,
      [](const quota::Limit& limit) { return value_of(limit.tally->shadow); }));
  families.push_back(rules.family(
      "headgate_quota_limit",
      "The limit: requests in each of its times, or at once; the ceiling of an adaptive one.",
      MetricType::Gauge, limit_value));
  families.push_back(in_flight(engine, *policy));
  families.push_back(key_checks(engine, *policy));
  families.push_back(per_domain(*policy, "headgate_quota_keys", "Keys in the table.",
                                MetricType::Gauge,
                                [](const auto& keys) { return static_cast<double>(keys.keys); }));
  families.push_back(per_domain(
      *policy, "headgate_quota_max_keys", "Keys that the table holds at most.", MetricType::Gauge,
      [](const auto& keys) { return static_cast<double>(keys.max_keys); }));
  families.push_back(
      per_domain(*policy, "headgate_quota_evicted_keys_total",
                 "Keys that gave way to others because the table was full.", MetricType::Counter,
                 [](const auto& keys) { return static_cast<double>(keys.evicted); }));
  families.push_back(usage(*policy, "headgate_quota_throttle_seconds_total",
                           "For how long clients were told to be silent.", [](const auto& totals) {
                             return std::chrono::duration<double>(totals.throttled).count();
                           }));
  families.push_back(usage(*policy, "headgate_quota_exempt_total",
                           "What was reported as exempt: seconds, bytes or connections.",
                           [](const auto& totals) { return totals.exempt; }));
  return families;
}

}  // namespace headgate::observe
