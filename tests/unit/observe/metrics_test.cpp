// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/metrics.h"

#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

namespace headgate::observe {
namespace {

Snapshot snapshot_of_one_rule() {
  Snapshot snapshot;
  RuleSnapshot rule;
  rule.name = "web";
  rule.per_client_limit = 0;
  rule.counts.connections = 7;
  rule.counts.counters.refused[HG_CLIENT_CONNECTIONS] = 5;
  snapshot.rules.push_back(rule);
  snapshot.tables.push_back({"clients", 3, 10});
  return snapshot;
}

const prometheus::MetricFamily& family(const std::vector<prometheus::MetricFamily>& all,
                                       const std::string& name) {
  for (const auto& one : all) {
    if (one.name == name) return one;
  }
  throw std::out_of_range(name);
}

// Names at the start of a row of the table in docs/metrics.md.
std::set<std::string> documented_names() {
  std::set<std::string> names;
  std::ifstream page(HEADGATE_METRICS_PAGE);
  for (std::string line; std::getline(page, line);) {
    if (line.rfind("| `", 0) == 0) names.insert(line.substr(3, line.find('`', 3) - 3));
  }
  return names;
}

TEST(Metrics, EveryOneIsDocumentedAndEveryDocumentedOneExists) {
  std::set<std::string> exported;
  for (const auto& one : to_metrics(snapshot_of_one_rule(), "1.2.3")) exported.insert(one.name);
  EXPECT_EQ(exported, documented_names());
}

TEST(Metrics, EveryOneHasHelpAndTheCountersEndInTotal) {
  for (const auto& one : to_metrics(snapshot_of_one_rule(), "1.2.3")) {
    EXPECT_FALSE(one.help.empty()) << one.name;
    const bool is_total = one.name.size() > 6 && one.name.substr(one.name.size() - 6) == "_total";
    EXPECT_EQ(is_total, one.type == prometheus::MetricType::Counter) << one.name;
  }
}

TEST(Metrics, ALimitOfZeroIsALimitAndOneLeftOutIsNone) {
  const auto all = to_metrics(snapshot_of_one_rule(), "1.2.3");
  const auto& limits = family(all, "headgate_connections_limit").metric;
  ASSERT_EQ(limits.size(), 1U);
  EXPECT_EQ(limits[0].gauge.value, 0);
  EXPECT_EQ(limits[0].label[1].value, "client");
}

TEST(Metrics, RefusalsAreToldByReason) {
  const auto all = to_metrics(snapshot_of_one_rule(), "1.2.3");
  for (const auto& metric : family(all, "headgate_refused_total").metric) {
    EXPECT_EQ(metric.counter.value, metric.label[1].value == "client_connections" ? 5 : 0);
  }
}

TEST(Metrics, ASnapshotThatFailsLeavesAPageThatSaysWhoItIs) {
  const MetricsPage page([] { return fail(ErrorCode::kInternal, "gone"); }, "1.2.3");
  const auto all = page.Collect();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].name, "headgate_build_info");
}

}  // namespace
}  // namespace headgate::observe
