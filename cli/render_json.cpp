// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <map>
#include <string>

#include "cli/json.h"
#include "cli/render.h"

namespace headgate::cli {
namespace {

using Counts = google::protobuf::Map<std::string, std::uint64_t>;

// A protobuf map has no order; the same state shall always print the same.
Json to_json(const Counts& counts) {
  Json json = Json::object();
  const std::map<std::string, std::uint64_t> sorted(counts.begin(), counts.end());
  for (const auto& [reason, count] : sorted) json[reason] = count;
  return json;
}

Json to_json(const control::v1::Rule& rule) {
  Json json{{"name", rule.name()},
            {"listen", Json::array()},
            {"mode", rule.mode()},
            {"action", rule.action()},
            {"connections", rule.connections()},
            {"half_open", rule.half_open()},
            {"clients", rule.clients()}};
  for (const std::string& listen : rule.listen()) json["listen"].push_back(listen);
  if (rule.has_per_client_limit()) json["per_client_limit"] = rule.per_client_limit();
  if (rule.has_per_network_limit()) json["per_network_limit"] = rule.per_network_limit();
  if (rule.has_total_limit()) json["total_limit"] = rule.total_limit();
  json["admitted"] = rule.admitted();
  json["refused"] = to_json(rule.refused());
  json["would_refuse"] = to_json(rule.would_refuse());
  json["overshoot_closed"] = rule.overshoot_closed();
  json["untracked"] = rule.untracked();
  json["adopted"] = rule.adopted();
  return json;
}

}  // namespace

std::string status_json(const control::v1::StatusResponse& status) {
  Json json{{"version", status.version()}, {"start_time_unix", status.start_time_unix()},
            {"pid", status.pid()},         {"config_file", status.config_file()},
            {"cgroup", status.cgroup()},   {"netns", status.netns()},
            {"rules", Json::array()},      {"tables", Json::array()}};
  json["namespaces"] = Json::array();
  for (const std::string& name : status.namespaces()) json["namespaces"].push_back(name);
  json["counts_are_shared"] = status.counts_are_shared();
  json["pin_dir"] = status.pin_dir();
  json["xdp"] = Json::array();
  for (const control::v1::Front& front : status.fronts()) {
    Json packets = Json::array();
    for (const control::v1::FrontCount& one : front.packets()) {
      packets.push_back(
          {{"verdict", one.verdict()}, {"reason", one.reason()}, {"count", one.count()}});
    }
    json["xdp"].push_back({{"netns", front.netns()},
                           {"interface", front.interface()},
                           {"mode", front.mode()},
                           {"is_alone", front.is_alone()},
                           {"others", front.others()},
                           {"error", front.error()},
                           {"packets", std::move(packets)}});
  }
  json["generation"] = status.generation();
  json["last_reload"] = {{"is_good", status.last_reload_was_good()},
                         {"time_unix", status.last_reload_time_unix()}};
  if (!status.last_reload_was_good()) json["last_reload"]["error"] = status.last_reload_error();
  for (const control::v1::Rule& rule : status.rules()) json["rules"].push_back(to_json(rule));
  for (const control::v1::Table& table : status.tables()) {
    json["tables"].push_back(
        {{"name", table.name()}, {"entries", table.entries()}, {"capacity", table.capacity()}});
  }
  json["events_lost"] = status.events_lost();
  return dump(json);
}

std::string clients_json(const control::v1::ClientsResponse& clients) {
  Json json{{"clients", Json::array()}};
  for (const control::v1::Client& client : clients.clients()) {
    Json entry{{"rule", client.rule()},
               {"prefix", client.prefix()},
               {"connections", client.connections()},
               {"half_open", client.half_open()},
               {"refused", client.refused()},
               {"rate", client.rate()}};
    if (!client.netns().empty()) entry["netns"] = client.netns();
    if (client.has_limit()) entry["limit"] = client.limit();
    json["clients"].push_back(std::move(entry));
  }
  json["total"] = clients.total();
  return dump(json);
}

}  // namespace headgate::cli
