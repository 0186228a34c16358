// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/metrics.h"

#include <utility>

#include "daemon/observe/family.h"

namespace headgate::observe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// A family with one value a rule.
MetricFamily per_rule(const Snapshot& snapshot, std::string name, std::string help, MetricType type,
                      const std::function<double(const RuleSnapshot&)>& value) {
  Family family(std::move(name), std::move(help), type);
  for (const RuleSnapshot& rule : snapshot.rules) family.add({{"rule", rule.name}}, value(rule));
  return family.take();
}

MetricFamily limits(const Snapshot& snapshot) {
  Family family("headgate_connections_limit",
                "Connections that the rule allows, by scope; absent where there is no limit.",
                MetricType::Gauge);
  for (const RuleSnapshot& rule : snapshot.rules) {
    if (rule.per_client_limit) {
      family.add({{"rule", rule.name}, {"scope", "client"}}, *rule.per_client_limit);
    }
    if (rule.per_network_limit) {
      family.add({{"rule", rule.name}, {"scope", "network"}}, *rule.per_network_limit);
    }
    if (rule.total_limit) {
      family.add({{"rule", rule.name}, {"scope", "total"}}, *rule.total_limit);
    }
  }
  return family.take();
}

MetricFamily refusals(const Snapshot& snapshot) {
  Family family("headgate_refused_total",
                "Connection attempts refused, by reason and by what the client got.",
                MetricType::Counter);
  for (const RuleSnapshot& rule : snapshot.rules) {
    for (std::size_t action = 0; action < action_labels().size(); ++action) {
      for (int reason = HG_ADMITTED + 1; reason < HG_REASON_END; ++reason) {
        const std::uint64_t count =
            rule.counts.refused(static_cast<hg_action>(action), static_cast<hg_reason>(reason));
        // What the rule does not do, and has not done, would be noise: 24 series a rule.
        if (count == 0 && action_labels()[action] != rule.action) continue;
        family.add({{"rule", rule.name},
                    {"reason", reason_labels()[static_cast<std::size_t>(reason)]},
                    {"action", action_labels()[action]}},
                   static_cast<double>(count));
      }
    }
  }
  return family.take();
}

MetricFamily would_refuse(const Snapshot& snapshot) {
  Family family("headgate_would_refuse_total",
                "Connection attempts let in that `mode: enforce` would have refused, by reason.",
                MetricType::Counter);
  for (const RuleSnapshot& rule : snapshot.rules) {
    for (int reason = HG_ADMITTED + 1; reason < HG_REASON_END; ++reason) {
      family.add(
          {{"rule", rule.name}, {"reason", reason_labels()[static_cast<std::size_t>(reason)]}},
          static_cast<double>(rule.counts.refused(HG_ACTION_NONE, static_cast<hg_reason>(reason))));
    }
  }
  return family.take();
}

MetricFamily replies(const Snapshot& snapshot) {
  Family family("headgate_replies_total",
                "Refused connections handed to the daemon for `on_limit: reply`, by what became of "
                "them.",
                MetricType::Counter);
  family.add({{"result", "answered"}}, static_cast<double>(snapshot.replies_answered));
  family.add({{"result", "abandoned"}}, static_cast<double>(snapshot.replies_abandoned));
  family.add({{"result", "reset"}}, static_cast<double>(snapshot.replies_reset));
  return family.take();
}

MetricFamily tables(const Snapshot& snapshot, std::string name, std::string help,
                    std::uint32_t kernel::TableFill::*member) {
  Family family(std::move(name), std::move(help), MetricType::Gauge);
  for (const kernel::TableFill& table : snapshot.tables) {
    family.add({{"table", table.name}}, table.*member);
  }
  return family.take();
}

MetricFamily front_packets(const Snapshot& snapshot) {
  Family family(
      "headgate_xdp_packets_total",
      "Packets that ask for a connection to a rule, and others of clients that are denied "
      "hard, by what the front line did with them and why.",
      MetricType::Counter);
  for (const FrontSnapshot& front : snapshot.fronts) {
    for (std::size_t verdict = 0; verdict < front_verdict_labels().size(); ++verdict) {
      for (std::size_t reason = 0; reason < reason_labels().size(); ++reason) {
        const std::uint64_t count = front.counts.packets[verdict][reason];
        // One is there from the beginning, the others once they have happened: 36 an interface.
        if (count == 0 && (verdict != HG_FRONT_PASS || reason != HG_ADMITTED)) continue;
        family.add({{"interface", front.interface},
                    {"netns", front.netns},
                    {"verdict", front_verdict_labels()[verdict]},
                    {"reason", reason_labels()[reason]}},
                   static_cast<double>(count));
      }
    }
  }
  return family.take();
}

MetricFamily front_modes(const Snapshot& snapshot) {
  Family family("headgate_xdp_mode",
                "1 for the mode that the front line is attached in; mode \"none\": it is not, "
                "although the configuration says so.",
                MetricType::Gauge);
  for (const FrontSnapshot& front : snapshot.fronts) {
    family.add({{"interface", front.interface}, {"netns", front.netns}, {"mode", front.mode}}, 1);
  }
  return family.take();
}

MetricFamily single(std::string name, std::string help, MetricType type, double value) {
  Family family(std::move(name), std::move(help), type);
  family.add({}, value);
  return family.take();
}

double unix_seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

MetricFamily build_info(const std::string& version) {
  Family family("headgate_build_info", "Always 1; the version is in the label.", MetricType::Gauge);
  family.add({{"version", version}}, 1);
  return family.take();
}

}  // namespace

std::vector<MetricFamily> to_metrics(const Snapshot& snapshot, const std::string& version) {
  const auto gauge = [&](std::string name, std::string help, auto value) {
    return per_rule(snapshot, std::move(name), std::move(help), MetricType::Gauge, value);
  };
  const auto counter = [&](std::string name, std::string help, auto value) {
    return per_rule(snapshot, std::move(name), std::move(help), MetricType::Counter, value);
  };
  const auto counters = [](__u64 hg_rule_stats::*member) {
    return [member](const RuleSnapshot& rule) {
      return static_cast<double>(rule.counts.counters.*member);
    };
  };
  return {
      gauge("headgate_connections", "Established connections now.",
            [](const RuleSnapshot& rule) { return rule.counts.connections; }),
      limits(snapshot),
      gauge("headgate_half_open",
            "Handshakes begun and not completed in the current and the previous "
            "handshake_timeout.",
            [](const RuleSnapshot& rule) { return rule.counts.half_open; }),
      gauge("headgate_clients", "Clients with an established connection now.",
            [](const RuleSnapshot& rule) { return rule.counts.clients; }),
      counter("headgate_admitted_total", "Handshakes completed within the limits.",
              counters(&hg_rule_stats::admitted)),
      refusals(snapshot),
      would_refuse(snapshot),
      counter("headgate_penalties_total", "Penalties begun: clients refused too often.",
              counters(&hg_rule_stats::penalties)),
      counter("headgate_overshoot_closed_total",
              "Connections that completed their handshake beyond a limit and were closed at once.",
              counters(&hg_rule_stats::overshoot)),
      counter("headgate_untracked_total",
              "Connections let in without being counted for their client: the table was full.",
              counters(&hg_rule_stats::untracked)),
      counter("headgate_adopted_total",
              "Connections counted that were open before the daemon or their rule came.",
              counters(&hg_rule_stats::adopted)),
      gauge("headgate_count_drift",
            "Differences between the counters and the open sockets, as the check of the last "
            "minute found them, before it repaired them.",
            [](const RuleSnapshot& rule) { return static_cast<double>(rule.count_drift); }),
      front_packets(snapshot),
      front_modes(snapshot),
      tables(snapshot, "headgate_table_entries", "Entries in use of a kernel table.",
             &kernel::TableFill::entries),
      tables(snapshot, "headgate_table_capacity", "Entries that a kernel table holds at most.",
             &kernel::TableFill::capacity),
      single("headgate_events_suppressed_total",
             "Events that the kernel-side rate limit kept back; the counters still count them.",
             MetricType::Counter, static_cast<double>(snapshot.losses.suppressed)),
      single("headgate_events_lost_total", "Events lost because the ring buffer was full.",
             MetricType::Counter, static_cast<double>(snapshot.losses.lost)),
      single("headgate_replies", "Refused connections that are being answered now.",
             MetricType::Gauge, snapshot.replies_open),
      replies(snapshot),
      single("headgate_config_generation", "Counts the policies that were put in force.",
             MetricType::Gauge, static_cast<double>(snapshot.config.generation)),
      single("headgate_config_last_reload_success", "1 if the last reload was good, else 0.",
             MetricType::Gauge, snapshot.config.last_reload_was_good ? 1 : 0),
      single("headgate_config_last_reload_timestamp_seconds",
             "When the configuration was last loaded, well or not; Unix time.", MetricType::Gauge,
             unix_seconds(snapshot.config.last_reload_time)),
      build_info(version),
  };
}

MetricsPage::MetricsPage(std::function<Result<Snapshot>()> take_snapshot, std::string version)
    : take_snapshot_(std::move(take_snapshot)), version_(std::move(version)) {}

std::vector<MetricFamily> MetricsPage::Collect() const {
  const Result<Snapshot> snapshot = take_snapshot_();
  if (!snapshot) return {build_info(version_)};
  return to_metrics(*snapshot, version_);
}

}  // namespace headgate::observe
