// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/snapshot.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "daemon/config/listen.h"
#include "daemon/config/words.h"

namespace headgate::observe {
namespace {

// What a query orders by and compares with `at_least`.
double weight(const ClientSnapshot& client, ClientOrder order) {
  switch (order) {
    case ClientOrder::kRefused:
      return static_cast<double>(client.refused);
    case ClientOrder::kRate:
      return client.rate;
    case ClientOrder::kConnections:
      break;
  }
  return client.connections;
}

// The client's own limit, which an override may set.
std::optional<std::uint32_t> limit_of(const policy::Policy& policy, policy::RuleId id,
                                      const hg_rule& rule, const Prefix& client) {
  std::uint32_t limit = rule.limits.per_client;
  if ((rule.flags & HG_HAS_OVERRIDES) != 0) {
    const auto* override = policy::longest_match(policy, HG_PREFIX_OVERRIDE, id, client);
    if (override != nullptr && override->second.exempt != 0) return std::nullopt;
    if (override != nullptr) limit = override->second.limits.per_client;
  }
  if (limit == HG_NO_LIMIT) return std::nullopt;
  return limit;
}

RuleSnapshot describe(const config::Rule& rule, const kernel::RuleCounts& counts) {
  RuleSnapshot snapshot;
  snapshot.name = rule.name;
  for (const config::Listen& listen : rule.listen) {
    snapshot.listen.push_back(config::to_string(listen));
  }
  snapshot.per_client_limit = rule.connections.per_client;
  snapshot.per_network_limit = rule.connections.per_network;
  snapshot.total_limit = rule.connections.total;
  snapshot.mode = to_string(rule.settings.mode);
  snapshot.action = to_string(rule.settings.on_limit);
  snapshot.counts = counts;
  return snapshot;
}

}  // namespace

const std::vector<std::string>& reason_labels() {
  static const std::vector<std::string> labels = {"none",
#define HG_REASON_LABEL(name, label, text) label,
                                                  HG_REASONS(HG_REASON_LABEL)
#undef HG_REASON_LABEL
  };
  return labels;
}

const std::vector<std::string>& front_verdict_labels() {
  static const std::vector<std::string> labels = {
#define HG_FRONT_LABEL(name, label, text) label,
      HG_FRONT_VERDICTS(HG_FRONT_LABEL)
#undef HG_FRONT_LABEL
  };
  return labels;
}

const std::vector<std::string>& action_labels() {
  static const std::vector<std::string> labels = {"reset", "drop", "reply"};
  static_assert(HG_ACTION_RESET == 0 && HG_ACTION_DROP == 1 && HG_ACTION_REPLY == 2);
  return labels;
}

const char* to_string(config::Mode mode) {
  return config::word_for(config::kModes, mode).data();  // of a literal
}

const char* to_string(config::OnLimit action) {
  return config::word_for(config::kOnLimit, action).data();  // of a literal
}

Result<void> check_rule_name(const config::Config& config, const std::string& name) {
  std::string known;
  for (const config::Rule& rule : config.rules) {
    if (rule.name == name) return {};
    known += (known.empty() ? "" : ", ") + rule.name;
  }
  return fail(ErrorCode::kNotFound, "no rule is named '" + name + "'; there " +
                                        (known.empty() ? "is none" : "are: " + known));
}

Result<Snapshot> take_snapshot(const config::Config& config, const policy::Policy& policy,
                               const kernel::Limiter& limiter) {
  Snapshot snapshot;
  auto counts = limiter.counts();
  if (!counts) return tl::unexpected(counts.error());
  for (const config::Rule& rule : config.rules) {
    snapshot.rules.push_back(describe(rule, counts->rules[policy.numbers.rules.at(rule.name)]));
  }
  snapshot.tables = std::move(counts->tables);
  auto losses = limiter.losses();
  if (!losses) return tl::unexpected(losses.error());
  snapshot.losses = *losses;
  return snapshot;
}

Result<std::vector<ClientSnapshot>> list_clients(const config::Config& config,
                                                 const policy::Policy& policy,
                                                 const kernel::Limiter& limiter,
                                                 const ClientQuery& query) {
  if (!query.rule.empty()) {
    if (auto known = check_rule_name(config, query.rule); !known) {
      return tl::unexpected(known.error());
    }
  }
  auto counted = limiter.clients();
  if (!counted) return tl::unexpected(counted.error());
  std::vector<ClientSnapshot> clients;
  clients.reserve(counted->size());
  for (const kernel::ClientCount& client : *counted) {
    const auto compiled = policy.rules.find(client.rule);
    if (compiled == policy.rules.end()) continue;
    const config::Rule& rule = config.rules[compiled->second.index];
    if (!query.rule.empty() && rule.name != query.rule) continue;
    const std::string netns = limiter.netns_name(client.netns);
    if (!query.netns.empty() && netns != query.netns) continue;
    const config::PrefixLengths& cut = rule.settings.client_prefix;
    const std::uint8_t length = client.address.family() == IpFamily::kIpv4 ? cut.ipv4 : cut.ipv6;
    const Prefix prefix = Prefix::of(client.address, length);
    ClientSnapshot snapshot{netns,
                            rule.name,
                            prefix,
                            client.connections,
                            client.half_open,
                            client.refused,
                            client.rate,
                            limit_of(policy, client.rule, compiled->second.limits, prefix)};
    if (weight(snapshot, query.order) < static_cast<double>(query.at_least)) continue;
    clients.push_back(std::move(snapshot));
  }
  std::sort(clients.begin(), clients.end(),
            [&query](const ClientSnapshot& a, const ClientSnapshot& b) {
              const double a_weight = weight(a, query.order);
              const double b_weight = weight(b, query.order);
              return std::tuple(b_weight, b.connections, b.half_open, a.prefix, a.rule) <
                     std::tuple(a_weight, a.connections, a.half_open, b.prefix, b.rule);
            });
  return clients;
}

}  // namespace headgate::observe
