// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>

#include "daemon/control/handlers.h"
#include "daemon/control/input.h"
#include "daemon/control/messages.h"
#include "daemon/control/status_code.h"

namespace headgate::control {
namespace {

constexpr std::uint32_t kDefaultClients = 100;
constexpr std::uint32_t kMaxClients = 1'000'000;  // an answer of some 50 MB

}  // namespace

grpc::Status Handlers::status(const v1::StatusRequest&, v1::StatusResponse* response) const {
  const Result<observe::Snapshot> snapshot = manager_.snapshot();
  if (!snapshot) return to_status(snapshot.error());
  response->set_version(identity_.version);
  response->set_start_time_unix(unix_seconds(identity_.start_time));
  response->set_pid(getpid());
  response->set_config_file(identity_.config_file);
  response->set_cgroup(identity_.cgroup);
  response->set_netns(identity_.netns);
  if (identity_.namespaces) {
    for (const std::string& name : identity_.namespaces()) response->add_namespaces(name);
  } else {
    response->add_namespaces(identity_.netns);
  }
  response->set_pin_dir(identity_.pin_dir);
  response->set_counts_are_shared(identity_.counts_are_shared);
  for (const observe::RuleSnapshot& rule : snapshot->rules) fill(response->add_rules(), rule);
  for (const kernel::TableFill& table : snapshot->tables) {
    v1::Table* message = response->add_tables();
    message->set_name(table.name);
    message->set_entries(table.entries);
    message->set_capacity(table.capacity);
  }
  for (const observe::FrontSnapshot& front : snapshot->fronts) fill(response->add_fronts(), front);
  response->set_events_lost(snapshot->losses.lost);
  const manage::ReloadStatus reload = manager_.reload_status();
  response->set_generation(reload.generation);
  response->set_last_reload_was_good(reload.was_good);
  response->set_last_reload_time_unix(unix_seconds(reload.time));
  response->set_last_reload_error(reload.error);
  return grpc::Status::OK;
}

grpc::Status Handlers::clients(const v1::ClientsRequest& request,
                               v1::ClientsResponse* response) const {
  const auto query = read_query(request);
  if (!query) return to_status(query.error());
  const auto clients = manager_.clients(*query);
  if (!clients) return to_status(clients.error());
  const std::uint32_t limit =
      request.limit() == 0 ? kDefaultClients : std::min(request.limit(), kMaxClients);
  response->set_total(static_cast<std::uint32_t>(clients->size()));
  for (std::size_t i = 0; i < std::min<std::size_t>(limit, clients->size()); ++i) {
    fill(response->add_clients(), (*clients)[i]);
  }
  return grpc::Status::OK;
}

grpc::Status Handlers::explain(const v1::ExplainRequest& request,
                               v1::ExplainResponse* response) const {
  const auto client = read_address(request.client());
  if (!client) return to_status(client.error());
  const auto target = read_target(request);
  if (!target) return to_status(target.error());
  const auto explanation = manager_.explain(*client, *target);
  if (!explanation) return to_status(explanation.error());
  fill(response, *explanation);
  return grpc::Status::OK;
}

}  // namespace headgate::control
