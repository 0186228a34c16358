// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/snapshot.h"

#include <algorithm>
#include <tuple>

#include "daemon/config/listen.h"

namespace headgate::observe {
const std::vector<std::string>& reason_labels() {
  static const std::vector<std::string> labels = {"none",
#define HG_REASON_LABEL(name, label, text) label,
                                                  HG_REASONS(HG_REASON_LABEL)
#undef HG_REASON_LABEL
  };
  return labels;
}

Result<Snapshot> Observer::snapshot() const {
  Snapshot snapshot;
  auto counts = limiter_.counts();
  if (!counts) return tl::unexpected(counts.error());
  for (std::size_t i = 0; i < config_.rules.size(); ++i) {
    const config::Rule& rule = config_.rules[i];
    RuleSnapshot entry{rule.name,
                       {},
                       rule.connections.per_client,
                       rule.connections.total,
                       counts->rules[policy::rule_id(i)]};
    for (const config::Listen& listen : rule.listen)
      entry.listen.push_back(config::to_string(listen));
    snapshot.rules.push_back(std::move(entry));
  }
  snapshot.tables = std::move(counts->tables);
  auto losses = limiter_.losses();
  if (!losses) return tl::unexpected(losses.error());
  snapshot.losses = *losses;
  return snapshot;
}

Result<std::vector<ClientSnapshot>> Observer::clients(const std::string& rule_name) const {
  std::string known;
  bool is_known = rule_name.empty();
  for (const config::Rule& rule : config_.rules) {
    is_known = is_known || rule.name == rule_name;
    known += (known.empty() ? "" : ", ") + rule.name;
  }
  if (!is_known) {
    return fail(ErrorCode::kNotFound, "no rule is named '" + rule_name + "'; there are: " + known);
  }
  auto counted = limiter_.clients();
  if (!counted) return tl::unexpected(counted.error());
  std::vector<ClientSnapshot> clients;
  clients.reserve(counted->size());
  for (const kernel::ClientCount& client : *counted) {
    const std::size_t index = policy::rule_index(client.rule);
    if (index >= config_.rules.size()) continue;
    const config::Rule& rule = config_.rules[index];
    if (!rule_name.empty() && rule.name != rule_name) continue;
    const config::ClientPrefix& cut = rule.settings.client_prefix;
    const std::uint8_t length = client.address.family() == IpFamily::kIpv4 ? cut.ipv4 : cut.ipv6;
    clients.push_back({rule.name, Prefix::of(client.address, length), client.connections,
                       client.half_open, rule.connections.per_client});
  }
  std::sort(clients.begin(), clients.end(), [](const ClientSnapshot& a, const ClientSnapshot& b) {
    return std::tuple(b.connections, b.half_open, a.prefix, a.rule) <
           std::tuple(a.connections, a.half_open, b.prefix, b.rule);
  });
  return clients;
}

}  // namespace headgate::observe
