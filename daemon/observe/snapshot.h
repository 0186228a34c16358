// SPDX-License-Identifier: Apache-2.0
#pragma once

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
  std::optional<std::uint32_t> total_limit;
  kernel::RuleCounts counts;
};

// What is enforced and how full it is, at one moment: what the metrics page and the CLI both show.
struct Snapshot {
  std::vector<RuleSnapshot> rules;  // in file order
  std::vector<kernel::TableFill> tables;
  kernel::EventLosses losses;
};

struct ClientSnapshot {
  std::string rule;
  Prefix prefix;
  std::uint32_t connections = 0;
  std::uint32_t half_open = 0;
  std::optional<std::uint32_t> limit;
};

// Reads the limiter's counts and joins them with the configuration. The configuration, policy and
// limiter outlive it. Thread-safe.
class Observer {
 public:
  Observer(const config::Config& config, const kernel::Limiter& limiter)
      : config_(config), limiter_(limiter) {}

  Result<Snapshot> snapshot() const;
  // The clients of one rule, or of all if `rule` is empty; most connections first, then by
  // address. Errors: kNotFound names the rules there are.
  Result<std::vector<ClientSnapshot>> clients(const std::string& rule) const;

 private:
  const config::Config& config_;
  const kernel::Limiter& limiter_;
};

// Labels of the reasons for refusal, by enum hg_reason; the first one stands for HG_ADMITTED.
const std::vector<std::string>& reason_labels();

}  // namespace headgate::observe
