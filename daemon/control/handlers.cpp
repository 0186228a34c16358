// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/handlers.h"

#include <unistd.h>

#include <algorithm>
#include <string>

namespace headgate::control {
namespace {

constexpr std::uint32_t kDefaultClients = 100;

void fill(v1::Rule* message, const observe::RuleSnapshot& rule) {
  message->set_name(rule.name);
  for (const std::string& listen : rule.listen) message->add_listen(listen);
  message->set_connections(rule.counts.connections);
  message->set_half_open(rule.counts.half_open);
  message->set_clients(rule.counts.clients);
  if (rule.per_client_limit) message->set_per_client_limit(*rule.per_client_limit);
  if (rule.total_limit) message->set_total_limit(*rule.total_limit);
  const hg_rule_stats& counters = rule.counts.counters;
  message->set_admitted(counters.admitted);
  for (int reason = HG_ADMITTED + 1; reason < HG_REASON_END; ++reason) {
    const auto index = static_cast<std::size_t>(reason);
    (*message->mutable_refused())[observe::reason_labels()[index]] = counters.refused[index];
  }
  message->set_overshoot_closed(counters.overshoot);
  message->set_untracked(counters.untracked);
  message->set_adopted(counters.adopted);
}

grpc::Status to_status(const Error& error) {
  return {grpc::StatusCode::INTERNAL, error.to_string()};
}

}  // namespace

grpc::Status Handlers::Status(grpc::ServerContext*, const v1::StatusRequest*,
                              v1::StatusResponse* response) {
  const Result<observe::Snapshot> snapshot = observer_.snapshot();
  if (!snapshot) return to_status(snapshot.error());
  response->set_version(identity_.version);
  response->set_start_time_unix(
      std::chrono::duration_cast<std::chrono::seconds>(identity_.start_time.time_since_epoch())
          .count());
  response->set_pid(getpid());
  response->set_config_file(identity_.config_file);
  response->set_cgroup(identity_.cgroup);
  response->set_netns(identity_.netns);
  for (const observe::RuleSnapshot& rule : snapshot->rules) fill(response->add_rules(), rule);
  for (const kernel::TableFill& table : snapshot->tables) {
    v1::Table* message = response->add_tables();
    message->set_name(table.name);
    message->set_entries(table.entries);
    message->set_capacity(table.capacity);
  }
  response->set_events_lost(snapshot->losses.lost);
  return grpc::Status::OK;
}

grpc::Status Handlers::Clients(grpc::ServerContext*, const v1::ClientsRequest* request,
                               v1::ClientsResponse* response) {
  const Result<std::vector<observe::ClientSnapshot>> clients = observer_.clients(request->rule());
  if (!clients && clients.error().code == ErrorCode::kNotFound) {
    return {grpc::StatusCode::NOT_FOUND, clients.error().to_string()};
  }
  if (!clients) return to_status(clients.error());
  const std::uint32_t limit = request->limit() == 0 ? kDefaultClients : request->limit();
  response->set_total(static_cast<std::uint32_t>(clients->size()));
  for (std::size_t i = 0; i < std::min<std::size_t>(limit, clients->size()); ++i) {
    const observe::ClientSnapshot& client = (*clients)[i];
    v1::Client* message = response->add_clients();
    message->set_rule(client.rule);
    message->set_prefix(client.prefix.to_string());
    message->set_connections(client.connections);
    message->set_half_open(client.half_open);
    if (client.limit) message->set_limit(*client.limit);
  }
  return grpc::Status::OK;
}

}  // namespace headgate::control
