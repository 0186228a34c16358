// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/flatten_quotas.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/config/flow_text.h"
#include "daemon/config/number.h"
#include "daemon/config/words.h"

namespace headgate::config {
namespace {

using Flat = std::map<std::string, std::string>;
using Tree = std::map<std::string, Flat>;

// "{ key: text, … }" in the order of insertion.
class Map {
 public:
  Map& put(std::string_view key, const std::string& text) {
    text_ += (text_.empty() ? "" : ", ") + std::string(key) + ": " + text;
    return *this;
  }
  Map& put(std::string_view key, std::uint32_t number) { return put(key, std::to_string(number)); }
  std::string text() const { return "{ " + text_ + " }"; }

 private:
  std::string text_;
};

std::string list_text(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return "[" + text + "]";
}

std::string rate_text(const QuotaLimit& limit) {
  if (limit.is_unlimited) return "{ unlimited: true }";
  Map map;
  map.put("algorithm", std::string(word_for(kRateAlgorithms, limit.algorithm)))
      .put("requests", limit.requests)
      .put("per", format_duration(limit.per));
  if (limit.algorithm == QuotaAlgorithm::kGcra) map.put("burst", limit.burst);
  return map.text();
}

std::string concurrency_text(const QuotaLimit& limit) {
  Map map;
  map.put("algorithm", std::string(word_for(kConcurrencyAlgorithms, limit.algorithm)));
  if (limit.algorithm == QuotaAlgorithm::kConcurrency) {
    map.put("limit", limit.requests);
  } else {
    map.put("floor", limit.floor).put("ceiling", limit.ceiling);
  }
  if (limit.lease_ttl.count() > 0) map.put("lease_ttl", format_duration(limit.lease_ttl));
  return map.text();
}

// In any order they mean the same.
std::string sorted_text(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  for (std::string& name : names) name = scalar_text(name);
  return list_text(names);
}

bool is_rate(QuotaAlgorithm algorithm) {
  return algorithm == QuotaAlgorithm::kFixedWindow || algorithm == QuotaAlgorithm::kGcra;
}

Flat flatten_rule(const QuotaRule& rule) {
  Flat flat;
  if (rule.limit) {
    const bool rate = is_rate(rule.limit->algorithm);
    flat[rate ? "rate_limit" : "concurrency"] =
        rate ? rate_text(*rule.limit) : concurrency_text(*rule.limit);
  }
  if (!rule.name.empty()) flat["name"] = scalar_text(rule.name);
  if (!rule.replaces.empty()) flat["replaces"] = sorted_text(rule.replaces);
  if (rule.penalty) flat["penalty"] = penalty_text(*rule.penalty);
  if (!rule.metadata.empty()) flat["metadata"] = rule.metadata;
  for (const auto& [key, is_set] :
       {std::pair("shadow_mode", rule.shadow_mode), std::pair("quota_mode", rule.quota_mode),
        std::pair("detailed_metric", rule.detailed_metric),
        std::pair("value_to_metric", rule.value_to_metric),
        std::pair("share_threshold", rule.share_threshold)}) {
    if (is_set) flat[key] = "true";
  }
  return flat;
}

// `path` is that of the level: "" or "client_ip".
void put_level(const std::vector<QuotaRule>& rules, const std::string& path, Tree& into) {
  std::vector<std::string> wildcards;
  for (const QuotaRule& rule : rules) {
    const std::string entry = entry_text(rule);
    const std::string below = path.empty() ? entry : path + "." + entry;
    into[below] = flatten_rule(rule);
    put_level(rule.descriptors, below, into);
    if (rule.has_wildcard()) wildcards.push_back(entry);
  }
  if (wildcards.size() > 1) into[path]["wildcards"] = list_text(wildcards);
}

void put_number(Flat& flat, const std::string& key, const std::optional<double>& number) {
  if (number) flat[key] = format_decimal(*number);
}

std::string who_text(ClientQuota::Whom whom, const std::string& name) {
  return scalar_text(whom == ClientQuota::Whom::kDefault ? std::string(kDefaultClient) : name);
}

std::string tls_text(const QuotaTls& tls) {
  Map map;
  map.put("certificate", scalar_text(tls.certificate)).put("key", scalar_text(tls.key));
  if (!tls.client_ca.empty()) map.put("client_ca", scalar_text(tls.client_ca));
  return map.text();
}

}  // namespace

std::string penalty_text(const Penalty& penalty) {
  return Map()
      .put("after", penalty.after)
      .put("within", format_duration(penalty.within))
      .put("deny_for", format_duration(penalty.deny_for))
      .put("grow", penalty.grow)
      .put("at_most", format_duration(penalty.at_most))
      .text();
}

std::string paths_text(std::vector<std::string> paths) {
  return sorted_text(std::move(paths));
}

std::string part_text(std::string_view text) {
  const bool has_marks = text.find_first_of(".=") != std::string_view::npos;
  return has_marks ? quoted_text(text) : scalar_text(text);
}

std::string entry_text(const QuotaRule& rule) {
  return part_text(rule.key) + (rule.value ? "=" + part_text(*rule.value) : "");
}

std::string whom_text(const ClientQuota& quota) {
  Map map;
  if (quota.user != ClientQuota::Whom::kNobody) {
    map.put("user", who_text(quota.user, quota.user_name));
  }
  if (quota.client != ClientQuota::Whom::kNobody) {
    map.put("client", who_text(quota.client, quota.client_name));
  }
  return map.text();
}

Tree flatten(const QuotaDomain& domain) {
  Tree tree;
  tree[""]["check_all_then_commit"] = word_for(kTruth, domain.check_all_then_commit);
  put_level(domain.descriptors, "", tree);
  for (const ClientQuota& quota : domain.clients) {
    Flat& flat = tree["clients[" + whom_text(quota) + "]"];
    put_number(flat, "time_percent", quota.time_percent);
    put_number(flat, "bytes_per_second", quota.bytes_per_second);
    put_number(flat, "connections_per_second", quota.connections_per_second);
  }
  return tree;
}

Flat flatten(const Quotas& quotas) {
  Flat flat;
  flat["quotas.socket"] = quotas.socket;
  flat["quotas.memory.socket"] = memory_socket_of(quotas).value_or("off");
  if (quotas.grpc_listen) flat["quotas.grpc.listen"] = *quotas.grpc_listen;
  if (quotas.http_listen) flat["quotas.http.listen"] = *quotas.http_listen;
  if (quotas.tls) flat["quotas.grpc.tls"] = tls_text(*quotas.tls);
  flat["quotas.max_keys"] = std::to_string(quotas.max_keys);
  return flat;
}

}  // namespace headgate::config
