// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <ctime>

#include "cli/render.h"
#include "cli/table.h"

namespace headgate::cli {
namespace {

constexpr const char* kGreen = "\033[32m";
constexpr const char* kRed = "\033[31m";
constexpr const char* kPlain = "\033[0m";

template <typename Message>
std::string limit_of(const Message& message, bool is_set, std::uint32_t (Message::*value)() const) {
  return is_set ? std::to_string((message.*value)()) : "-";
}

std::string joined(const google::protobuf::RepeatedPtrField<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

std::string utc(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm fields{};
  gmtime_r(&time, &fields);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &fields);
  return text;
}

}  // namespace

std::string status_text(const control::v1::StatusResponse& status) {
  std::string text = "headgated " + status.version() + ", pid " + std::to_string(status.pid()) +
                     ", since " + utc(status.start_time_unix()) + "\n" + "config " +
                     status.config_file() + ", cgroup " + status.cgroup() + ", netns " +
                     status.netns() + "\n\n";
  Table rules({"RULE", "LISTEN", "CONNECTIONS", "TOTAL LIMIT", "CLIENTS", "CLIENT LIMIT",
               "HALF-OPEN", "ADMITTED", "REFUSED", "CLOSED"},
              {false, false, true, true, true, true, true, true, true, true});
  for (const control::v1::Rule& rule : status.rules()) {
    std::uint64_t refused = 0;
    for (const auto& [reason, count] : rule.refused()) refused += count;
    rules.add({rule.name(), joined(rule.listen()), std::to_string(rule.connections()),
               limit_of(rule, rule.has_total_limit(), &control::v1::Rule::total_limit),
               std::to_string(rule.clients()),
               limit_of(rule, rule.has_per_client_limit(), &control::v1::Rule::per_client_limit),
               std::to_string(rule.half_open()), std::to_string(rule.admitted()),
               std::to_string(refused), std::to_string(rule.overshoot_closed())});
  }
  text += rules.to_string() + "\n";
  Table tables({"TABLE", "ENTRIES", "CAPACITY"}, {false, true, true});
  for (const control::v1::Table& table : status.tables()) {
    tables.add({table.name(), std::to_string(table.entries()), std::to_string(table.capacity())});
  }
  text += tables.to_string();
  if (status.events_lost() > 0) {
    text += "\n" + std::to_string(status.events_lost()) + " events were lost\n";
  }
  return text;
}

std::string clients_text(const control::v1::ClientsResponse& clients) {
  if (clients.clients().empty()) return "no client holds a connection\n";
  Table table({"RULE", "CLIENT", "CONNECTIONS", "HALF-OPEN", "LIMIT"},
              {false, false, true, true, true});
  for (const control::v1::Client& client : clients.clients()) {
    table.add({client.rule(), client.prefix(), std::to_string(client.connections()),
               std::to_string(client.half_open()),
               limit_of(client, client.has_limit(), &control::v1::Client::limit)});
  }
  std::string text = table.to_string();
  const auto shown = static_cast<std::uint32_t>(clients.clients_size());
  if (shown < clients.total()) {
    text += "\n" + std::to_string(shown) + " of " + std::to_string(clients.total()) +
            " clients; --limit shows more\n";
  }
  return text;
}

std::string doctor_text(const std::vector<kernel::Requirement>& requirements, bool use_colour) {
  std::string text;
  std::size_t width = 0;
  for (const kernel::Requirement& requirement : requirements) {
    width = std::max(width, requirement.name.size());
  }
  for (const kernel::Requirement& requirement : requirements) {
    const std::string mark = requirement.is_met ? "ok     " : "MISSING";
    text += (use_colour ? (requirement.is_met ? kGreen : kRed) + mark + kPlain : mark) + "  " +
            requirement.name + std::string(width - requirement.name.size(), ' ') + "  " +
            requirement.meaning + ": " + requirement.found + "\n";
    if (!requirement.remedy.empty()) text += "         → " + requirement.remedy + "\n";
  }
  return text;
}

}  // namespace headgate::cli
