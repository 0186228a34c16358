// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/metrics.h"

#include <chrono>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "daemon/observe/quota_metrics.h"

namespace headgate::observe {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

Snapshot snapshot_of_one_rule() {
  Snapshot snapshot;
  RuleSnapshot rule;
  rule.name = "web";
  rule.per_client_limit = 0;
  rule.counts.connections = 7;
  rule.counts.clients = 4;
  rule.counts.half_open = 2;
  rule.counts.counters.admitted = 100;
  rule.counts.counters.refused[HG_ACTION_RESET][HG_CLIENT_CONNECTIONS - 1] = 5;
  rule.counts.counters.refused[HG_ACTION_DROP][HG_TABLE_FULL - 1] = 6;
  rule.counts.counters.refused[HG_ACTION_REPLY][HG_TOTAL_RATE - 1] = 8;
  rule.counts.counters.refused[HG_ACTION_NONE][HG_DENIED - 1] = 9;
  rule.counts.counters.overshoot = 10;
  rule.counts.counters.untracked = 11;
  rule.counts.counters.adopted = 12;
  rule.counts.counters.penalties = 13;
  snapshot.rules.push_back(rule);
  snapshot.tables.push_back({"clients", 3, 10});
  snapshot.losses = {21, 22};
  FrontSnapshot front;
  front.netns = "self";
  front.interface = "eth0";
  front.mode = "native";
  front.counts.packets[HG_FRONT_PASS][HG_ADMITTED] = 31;
  front.counts.packets[HG_FRONT_DROP][HG_DENIED] = 32;
  snapshot.fronts.push_back(front);
  return snapshot;
}

Families metrics_of(const Snapshot& snapshot) {
  return to_metrics(snapshot, "1.2.3");
}

double value_of(const prometheus::ClientMetric& metric, prometheus::MetricType type) {
  return type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
}

// Every value of a family, by its labels: "rule=web,reason=denied".
std::map<std::string, double> values_of(const Families& all, const std::string& name) {
  std::map<std::string, double> values;
  for (const auto& family : all) {
    if (family.name != name) continue;
    for (const auto& metric : family.metric) {
      std::string labels;
      for (const auto& label : metric.label) {
        labels += (labels.empty() ? "" : ",") + label.name + "=" + label.value;
      }
      EXPECT_TRUE(values.emplace(labels, value_of(metric, family.type)).second) << labels;
    }
    return values;
  }
  ADD_FAILURE() << "no family " << name;
  return values;
}

double single(const Families& all, const std::string& name, const std::string& labels = "") {
  const auto values = values_of(all, name);
  EXPECT_EQ(values.size(), 1U) << name;
  return values.at(labels);
}

// Those that are not zero.
std::map<std::string, double> counted(std::map<std::string, double> values) {
  std::erase_if(values, [](const auto& entry) { return entry.second == 0; });
  return values;
}

// The rows of the table in docs/metrics.md: cells by the name of the metric.
struct Row {
  std::string type;
  std::set<std::string> labels;
  std::string text;
};
std::map<std::string, Row> documented() {
  std::map<std::string, Row> rows;
  std::ifstream page(HEADGATE_METRICS_PAGE);
  for (std::string line; std::getline(page, line);) {
    if (line.rfind("| `", 0) != 0) continue;
    std::vector<std::string> cells;
    for (std::size_t at = 0; at != std::string::npos;) {
      const std::size_t end = line.find(" |", at);
      cells.push_back(line.substr(at, end == std::string::npos ? end : end - at));
      at = end == std::string::npos ? end : end + 2;
    }
    const auto quoted = [](const std::string& cell) {
      std::set<std::string> words;
      for (std::size_t from = cell.find('`'); from != std::string::npos;) {
        const std::size_t to = cell.find('`', from + 1);
        words.insert(cell.substr(from + 1, to - from - 1));
        from = cell.find('`', to + 1);
      }
      return words;
    };
    EXPECT_GE(cells.size(), 4U) << line;
    if (cells.size() < 4) continue;
    rows[*quoted(cells[0]).begin()] = {cells[1].substr(1), quoted(cells[2]), cells[3]};
  }
  return rows;
}

TEST(Metrics, EveryOneIsDocumentedAndEveryDocumentedOneExists) {
  std::set<std::string> exported;
  for (const auto& one : metrics_of(snapshot_of_one_rule())) exported.insert(one.name);
  for (const auto& one : quota_metrics(quota::Engine())) exported.insert(one.name);
  exported.insert("headgate_quota_request_duration_seconds");  // of the doors themselves
  std::set<std::string> names;
  for (const auto& [name, row] : documented()) names.insert(name);
  EXPECT_EQ(exported, names);
}

TEST(Metrics, ThePageNamesTypesAndLabels) {
  const auto rows = documented();
  for (const auto& one : metrics_of(snapshot_of_one_rule())) {
    SCOPED_TRACE(one.name);
    ASSERT_EQ(rows.count(one.name), 1U);
    const Row& row = rows.at(one.name);
    EXPECT_EQ(row.type, one.type == prometheus::MetricType::Counter ? "counter" : "gauge");
    std::set<std::string> labels;
    for (const auto& metric : one.metric) {
      for (const auto& label : metric.label) labels.insert(label.name);
    }
    EXPECT_EQ(row.labels, labels);
  }
}

TEST(Metrics, ThePageNamesEveryReasonAndAction) {
  const auto rows = documented();
  ASSERT_EQ(rows.count("headgate_refused_total"), 1U);
  const std::string& text = rows.at("headgate_refused_total").text;
  for (int reason = HG_ADMITTED + 1; reason < HG_REASON_END; ++reason) {
    const std::string& label = reason_labels()[static_cast<std::size_t>(reason)];
    EXPECT_NE(text.find("`" + label + "`"), std::string::npos) << label;
  }
  for (const std::string& label : action_labels()) {
    EXPECT_NE(text.find("`" + label + "`"), std::string::npos) << label;
  }
}

TEST(Metrics, EveryOneHasHelpAndTheCountersEndInTotal) {
  for (const auto& one : metrics_of(snapshot_of_one_rule())) {
    EXPECT_FALSE(one.help.empty()) << one.name;
    const bool is_total = one.name.size() > 6 && one.name.substr(one.name.size() - 6) == "_total";
    EXPECT_EQ(is_total, one.type == prometheus::MetricType::Counter) << one.name;
  }
}

TEST(Metrics, EveryRuleHasItsCounts) {
  const Families all = metrics_of(snapshot_of_one_rule());
  const std::map<std::string, double> expected = {
      {"headgate_connections", 7},      {"headgate_clients", 4},
      {"headgate_half_open", 2},        {"headgate_admitted_total", 100},
      {"headgate_untracked_total", 11}, {"headgate_overshoot_closed_total", 10},
      {"headgate_adopted_total", 12},   {"headgate_penalties_total", 13}};
  for (const auto& [name, value] : expected)
    EXPECT_EQ(single(all, name, "rule=web"), value) << name;
}

TEST(Metrics, ALimitOfZeroIsALimitAndOneLeftOutIsNone) {
  Snapshot snapshot = snapshot_of_one_rule();
  using Values = std::map<std::string, double>;
  EXPECT_EQ(values_of(metrics_of(snapshot), "headgate_connections_limit"),
            (Values{{"rule=web,scope=client", 0}}));
  snapshot.rules[0].per_client_limit.reset();
  snapshot.rules[0].per_network_limit = 1000;
  snapshot.rules[0].total_limit = 4'000'000'000;
  EXPECT_EQ(values_of(metrics_of(snapshot), "headgate_connections_limit"),
            (Values{{"rule=web,scope=network", 1000}, {"rule=web,scope=total", 4e9}}));
}

TEST(Metrics, RefusalsAreToldByReasonAndAction) {
  Snapshot snapshot = snapshot_of_one_rule();
  snapshot.rules[0].action = "reset";
  const auto values = values_of(metrics_of(snapshot), "headgate_refused_total");
  EXPECT_EQ(values.size(), 8U + 2U) << "every reason for what the rule does, and what has happened";
  EXPECT_EQ(counted(values),
            (std::map<std::string, double>{{"rule=web,reason=client_connections,action=reset", 5},
                                           {"rule=web,reason=table_full,action=drop", 6},
                                           {"rule=web,reason=total_rate,action=reply", 8}}));
}

TEST(Metrics, WhatIsOnlyMonitoredIsNoRefusal) {
  const auto values = values_of(metrics_of(snapshot_of_one_rule()), "headgate_would_refuse_total");
  EXPECT_EQ(values.size(), 8U);
  EXPECT_EQ(counted(values), (std::map<std::string, double>{{"rule=web,reason=denied", 9}}));
}

TEST(Metrics, TablesAndLosses) {
  const Families all = metrics_of(snapshot_of_one_rule());
  EXPECT_EQ(single(all, "headgate_table_entries", "table=clients"), 3);
  EXPECT_EQ(single(all, "headgate_table_capacity", "table=clients"), 10);
  EXPECT_EQ(single(all, "headgate_events_suppressed_total"), 21);
  EXPECT_EQ(single(all, "headgate_events_lost_total"), 22);
  EXPECT_EQ(single(all, "headgate_build_info", "version=1.2.3"), 1);
}

TEST(Metrics, TheLastReloadIsToldGoodOrBad) {
  Snapshot snapshot = snapshot_of_one_rule();
  snapshot.config.generation = 41;
  snapshot.config.last_reload_time =
      std::chrono::system_clock::time_point{std::chrono::milliseconds(1'700'000'000'500)};
  Families all = metrics_of(snapshot);
  EXPECT_EQ(single(all, "headgate_config_generation"), 41);
  EXPECT_EQ(single(all, "headgate_config_last_reload_success"), 1);
  EXPECT_EQ(single(all, "headgate_config_last_reload_timestamp_seconds"), 1'700'000'000.5);
  snapshot.config.last_reload_was_good = false;
  all = metrics_of(snapshot);
  EXPECT_EQ(single(all, "headgate_config_last_reload_success"), 0);
}

TEST(Metrics, RepliesAreToldByWhatBecameOfThem) {
  Snapshot snapshot = snapshot_of_one_rule();
  snapshot.replies_open = 3;
  snapshot.replies_answered = 31;
  snapshot.replies_abandoned = 32;
  snapshot.replies_reset = 33;
  const Families all = metrics_of(snapshot);
  EXPECT_EQ(single(all, "headgate_replies"), 3);
  EXPECT_EQ(values_of(all, "headgate_replies_total"),
            (std::map<std::string, double>{
                {"result=answered", 31}, {"result=abandoned", 32}, {"result=reset", 33}}));
}

TEST(Metrics, WithoutRulesThereIsStillAPage) {
  const Families all = metrics_of({});
  EXPECT_TRUE(values_of(all, "headgate_refused_total").empty());
  EXPECT_EQ(single(all, "headgate_config_generation"), 0);
}

TEST(Metrics, ASnapshotThatFailsLeavesAPageThatSaysWhoItIs) {
  const MetricsPage page([] { return fail(ErrorCode::kInternal, "gone"); }, "1.2.3");
  const auto all = page.Collect();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].name, "headgate_build_info");
}

TEST(Metrics, OfTheFrontLineAreThereOnceTheyHaveHappened) {
  const auto all = metrics_of(snapshot_of_one_rule());
  EXPECT_EQ(values_of(all, "headgate_xdp_packets_total"),
            (std::map<std::string, double>{
                {"interface=eth0,netns=self,verdict=pass,reason=none", 31},
                {"interface=eth0,netns=self,verdict=drop,reason=denied", 32}}));
  EXPECT_EQ(values_of(all, "headgate_xdp_mode"),
            (std::map<std::string, double>{{"interface=eth0,netns=self,mode=native", 1}}));
}

}  // namespace
}  // namespace headgate::observe
