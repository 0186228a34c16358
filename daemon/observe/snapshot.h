// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/kernel/limiter.h"
#include "daemon/policy/policy.h"

namespace headgate::observe {

// One rule as configured and as counted.
struct RuleSnapshot {
  std::string name;
  std::vector<std::string> listen;
  std::optional<std::uint32_t> per_client_limit;
  std::optional<std::uint32_t> per_network_limit;
  std::optional<std::uint32_t> total_limit;
  std::string mode;    // "enforce" or "monitor"
  std::string action;  // "reset", "drop" or "reply"
  kernel::RuleCounts counts;
  std::uint64_t count_drift = 0;  // as the last comparison with the open sockets found it
};

// Of the policy in force, and of the last attempt to change it.
struct ConfigSnapshot {
  std::uint64_t generation = 0;
  bool last_reload_was_good = true;
  std::chrono::system_clock::time_point last_reload_time;
  std::string last_error;
};

// The front line on one network interface that is there, or that is named and is not.
struct FrontSnapshot {
  std::string netns;  // as the configuration names it; empty: in none of several
  std::string interface;
  std::optional<std::uint32_t> number;  // see kernel::Limiter::front_counts
  std::string mode;                     // "native", "generic"; "none": it is not attached
  bool is_alone = false;                // not in the dispatcher of libxdp
  std::uint32_t others = 0;             // XDP programs in the same dispatcher
  std::string error;                    // why it is not attached, or not as it is wanted
  hg_front_stats counts{};              // packets since the interface came
};

// What is enforced and how full it is, at one moment: what the metrics page and the CLI both show.
struct Snapshot {
  std::vector<RuleSnapshot> rules;  // in file order
  std::vector<kernel::TableFill> tables;
  std::vector<FrontSnapshot> fronts;
  kernel::EventLosses losses;
  ConfigSnapshot config;
  std::uint32_t replies_open = 0;
  std::uint64_t replies_answered = 0;
  std::uint64_t replies_abandoned = 0;
  std::uint64_t replies_reset = 0;
};

struct ClientSnapshot {
  std::string netns;  // as the configuration names it; empty if counts are shared
  std::string rule;
  Prefix prefix;
  std::uint32_t connections = 0;
  std::uint32_t half_open = 0;
  std::uint64_t refused = 0;  // lately: as long as the client stays in tables.recent
  double rate = 0;            // new connections per second, over the last 10 to 20 s
  std::optional<std::uint32_t> limit;
};

enum class ClientOrder { kConnections, kRefused, kRate };

struct ClientQuery {
  std::string rule;   // empty: all
  std::string netns;  // empty: all
  ClientOrder order = ClientOrder::kConnections;
  std::uint64_t at_least = 0;  // of what it is ordered by
};

// Joins what the limiter has counted with what its policy was compiled from. Thread-safe. `config`,
// `fronts` and `replies` are left to the caller.
Result<Snapshot> take_snapshot(const config::Config& config, const policy::Policy& policy,
                               const kernel::Limiter& limiter);

// The clients that the query asks for, first those with the most of what it orders by, then by
// address. Thread-safe. Errors: kNotFound names the rules there are.
Result<std::vector<ClientSnapshot>> list_clients(const config::Config& config,
                                                 const policy::Policy& policy,
                                                 const kernel::Limiter& limiter,
                                                 const ClientQuery& query);

// Checks that there is such a rule; kNotFound names those there are.
Result<void> check_rule_name(const config::Config& config, const std::string& name);

// Labels of the reasons for refusal, by enum hg_reason; the first one stands for HG_ADMITTED.
const std::vector<std::string>& reason_labels();
// Labels of enum hg_front_verdict.
const std::vector<std::string>& front_verdict_labels();
// Labels of enum hg_action but for the last, HG_ACTION_NONE.
const std::vector<std::string>& action_labels();
const char* to_string(config::Mode mode);
const char* to_string(config::OnLimit action);

}  // namespace headgate::observe
