// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/keep_fixed.h"

#include <optional>
#include <string_view>
#include <unordered_map>

namespace headgate::manage {
namespace {

// Once there are domains the doors are open, and the tables of those that are in both are there.
void keep_fixed(const config::Quotas& from, config::Quotas& to) {
  if (from.domains.empty()) return;
  to.socket = from.socket;
  to.memory_socket = from.memory_socket;
  to.grpc_listen = from.grpc_listen;
  to.http_listen = from.http_listen;
  to.tls = from.tls;
  to.max_keys = from.max_keys;
  std::unordered_map<std::string_view, std::optional<std::uint32_t>> max_keys;
  for (const auto& domain : from.domains) max_keys.emplace(domain.name, domain.max_keys);
  for (config::QuotaDomain& domain : to.domains) {
    const auto known = max_keys.find(domain.name);
    if (known != max_keys.end()) domain.max_keys = known->second;
  }
}

}  // namespace

void keep_fixed(const config::Config& from, config::Config& to) {
  to.tables = from.tables;
  to.metrics_listen = from.metrics_listen;
  to.control_socket = from.control_socket;
  to.cgroup = from.cgroup;
  to.netns = from.netns;
  to.watch = from.watch;
  to.max_replies = from.max_replies;
  to.pin_dir = from.pin_dir;
  keep_fixed(from.quotas, to.quotas);
}

}  // namespace headgate::manage
