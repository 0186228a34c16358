// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/quota_metrics.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace headgate::observe {
namespace {

config::QuotaRule rule(const std::string& key, std::uint32_t requests) {
  config::QuotaRule made;
  made.key = key;
  made.limit.emplace();
  made.limit->requests = requests;
  made.limit->per = std::chrono::hours(24 * 365);
  return made;
}

class QuotaMetrics : public testing::Test {
 protected:
  void put(std::vector<config::QuotaRule> rules) {
    config::Quotas quotas;
    quotas.domains.emplace_back();
    quotas.domains[0].name = "api";
    quotas.domains[0].descriptors = std::move(rules);
    quotas.domains[0].max_keys = 200;
    config::ClientQuota client;
    client.user = config::ClientQuota::Whom::kDefault;
    client.time_percent = 5;
    quotas.domains[0].clients = {client};
    auto policy = engine.prepare(quotas);
    ASSERT_TRUE(policy);
    engine.put_in_force(*std::move(policy));
  }
  void ask(const std::string& key, const std::string& value) {
    ASSERT_TRUE(engine.check({"api", {quota::Descriptor{{{key, value}}, {}, {}}}, 1}));
  }
  // "domain=api,rule=user" → value
  std::map<std::string, double> values(const std::string& name) {
    std::map<std::string, double> found;
    for (const auto& family : quota_metrics(engine)) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        std::string labels;
        for (const auto& label : metric.label) {
          labels += (labels.empty() ? "" : ",") + label.name + "=" + label.value;
        }
        const bool is_counter = family.type == prometheus::MetricType::Counter;
        EXPECT_TRUE(
            found.emplace(labels, is_counter ? metric.counter.value : metric.gauge.value).second)
            << labels << " twice in " << name;
      }
    }
    return found;
  }

  quota::Engine engine;
};

TEST_F(QuotaMetrics, CountChecksByRuleAndOutcome) {
  config::QuotaRule shadow = rule("shadow", 0);
  shadow.shadow_mode = true;
  put({rule("user", 2), shadow});
  for (int i = 0; i < 5; ++i) ask("user", "alice");
  ask("shadow", "x");
  const auto checks = values("headgate_quota_checks_total");
  EXPECT_EQ(checks.at("domain=api,rule=user,outcome=admitted"), 2);
  EXPECT_EQ(checks.at("domain=api,rule=user,outcome=refused"), 3);
  EXPECT_EQ(checks.at("domain=api,rule=shadow,outcome=shadow"), 1);
  EXPECT_EQ(values("headgate_quota_shadow_total").at("domain=api,rule=shadow"), 1);
  EXPECT_EQ(values("headgate_quota_near_limit_total").at("domain=api,rule=user"), 1);
  EXPECT_EQ(values("headgate_quota_limit").at("domain=api,rule=user"), 2);
  EXPECT_EQ(values("headgate_quota_keys").at("domain=api"), 2);
  EXPECT_EQ(values("headgate_quota_max_keys").at("domain=api"), 200);
}

TEST_F(QuotaMetrics, RulesOfOneNameAreOneSeries) {
  config::QuotaRule one = rule("user", 5);
  config::QuotaRule other = rule("path", 5);
  one.name = other.name = "same";
  put({one, other});
  ask("user", "alice");
  ask("path", "/");
  EXPECT_EQ(values("headgate_quota_checks_total").at("domain=api,rule=same,outcome=admitted"), 2);
}

TEST_F(QuotaMetrics, KeysHaveSeriesOnlyWhereARuleAsksAndNotTooMany) {
  config::QuotaRule detailed = rule("user", 5);
  detailed.detailed_metric = true;
  put({detailed, rule("path", 5)});
  for (int i = 0; i < 150; ++i) ask("user", std::to_string(i));
  ask("user", "7");
  ask("path", "/");
  const auto keys = values("headgate_quota_key_checks_total");
  EXPECT_EQ(keys.size(), 2 * kMostKeySeries);
  EXPECT_EQ(keys.at("domain=api,rule=user,key=7,outcome=admitted"), 2);
  for (const auto& [labels, value] : keys) EXPECT_EQ(labels.find("rule=path"), std::string::npos);
}

TEST_F(QuotaMetrics, PermitsAreInFlightUntilTheyEnd) {
  config::QuotaRule at_once = rule("user", 5);
  at_once.limit->algorithm = config::QuotaAlgorithm::kConcurrency;
  put({at_once, rule("path", 5)});
  EXPECT_EQ(values("headgate_quota_in_flight").at("domain=api,rule=user"), 0);
  {
    const auto held = engine.acquire({"api", {quota::Descriptor{{{"user", "alice"}}, {}, {}}}, 1});
    ASSERT_TRUE(held);
    EXPECT_EQ(values("headgate_quota_in_flight").at("domain=api,rule=user"), 1);
  }
  EXPECT_EQ(values("headgate_quota_in_flight").at("domain=api,rule=user"), 0);
  EXPECT_EQ(values("headgate_quota_in_flight").size(), 1U);
}

TEST_F(QuotaMetrics, ThrottlesAreAddedUp) {
  put({});
  quota::UsageReport report;
  report.who.user = "alice";
  report.time = std::chrono::seconds(60);
  ASSERT_TRUE(engine.report("api", report));
  EXPECT_EQ(values("headgate_quota_throttle_seconds_total").at("domain=api,kind=time"), 1);
  report.is_exempt = true;
  ASSERT_TRUE(engine.report("api", report));
  EXPECT_EQ(values("headgate_quota_exempt_total").at("domain=api,kind=time"), 60);
}

}  // namespace
}  // namespace headgate::observe
