// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>

#include "cli/render.h"
#include "cli/table.h"
#include "cli/words.h"

namespace headgate::cli {
namespace {

constexpr std::size_t kShownNamespaces = 8;

template <typename Message>
std::string limit_of(const Message& message, bool is_set, std::uint32_t (Message::*value)() const) {
  return is_set ? std::to_string((message.*value)()) : "-";
}

std::uint64_t sum(const google::protobuf::Map<std::string, std::uint64_t>& counts) {
  std::uint64_t total = 0;
  for (const auto& [reason, count] : counts) total += count;
  return total;
}

std::string reload_line(const control::v1::StatusResponse& status, Colour colour) {
  if (status.last_reload_was_good()) {
    return "generation " + std::to_string(status.generation()) + " in force since " +
           utc(status.last_reload_time_unix()) + "\n";
  }
  return colour.bad("THE LAST RELOAD FAILED") + " at " + utc(status.last_reload_time_unix()) +
         "; generation " + std::to_string(status.generation()) + " is still in force:\n  " +
         safe(status.last_reload_error()) + "\n";
}

std::string pins(const control::v1::StatusResponse& status) {
  return status.pin_dir().empty() ? "" : ", pins " + safe(status.pin_dir());
}

// "3 namespaces, clients counted apart in each: self, /run/netns/web, …"
std::string namespaces_line(const control::v1::StatusResponse& status) {
  const auto count = static_cast<std::size_t>(status.namespaces_size());
  if (count == 0 || (count == 1 && status.namespaces(0) == status.netns())) return "";
  std::string text = count_of(count, "namespace") + ", clients counted " +
                     (status.counts_are_shared() ? "together in all" : "apart in each") + ": ";
  for (std::size_t i = 0; i < std::min(count, kShownNamespaces); ++i) {
    text += (i == 0 ? "" : ", ") + safe(status.namespaces(static_cast<int>(i)));
  }
  if (count > kShownNamespaces) {
    text += " and " + std::to_string(count - kShownNamespaces) + " more (-o json names all)";
  }
  return text + "\n";
}

bool has_namespaces(const control::v1::ClientsResponse& clients) {
  const auto& all = clients.clients();
  return std::any_of(all.begin(), all.end(), [&](const control::v1::Client& client) {
    return client.netns() != all.begin()->netns();
  });
}

std::string place_of(const control::v1::Front& front) {
  if (front.is_alone()) return "alone";
  return front.others() == 0 ? "dispatcher" : "dispatcher, " + count_of(front.others(), "other");
}

std::uint64_t packets_of(const control::v1::Front& front, const std::string& verdict) {
  std::uint64_t total = 0;
  for (const control::v1::FrontCount& one : front.packets()) {
    if (one.verdict() == verdict) total += one.count();
  }
  return total;
}

// Where the front line is, and what it has done.
std::string fronts_text(const control::v1::StatusResponse& status, Colour colour) {
  if (status.fronts().empty()) return "";
  const auto& all = status.fronts();
  const bool with_netns = std::any_of(
      all.begin(), all.end(),
      [&all](const control::v1::Front& one) { return one.netns() != all.begin()->netns(); });
  std::vector<std::string> header = {"XDP",     "MODE",  "PLACE",  "PASSED",
                                     "DROPPED", "RESET", "COOKIES"};
  std::vector<bool> is_right = {false, false, false, true, true, true, true};
  if (with_netns) {
    header.insert(header.begin(), "NETNS");
    is_right.insert(is_right.begin(), false);
  }
  Table table(header, is_right);
  std::string errors;
  for (const control::v1::Front& front : all) {
    const bool is_attached = front.mode() != "none";
    std::vector<std::string> row = {safe(front.interface()), front.mode(),
                                    is_attached ? place_of(front) : "-"};
    for (const char* verdict : {"pass", "drop", "reset", "cookie"}) {
      row.push_back(std::to_string(packets_of(front, verdict)));
    }
    if (with_netns) row.insert(row.begin(), safe(front.netns()));
    table.add(std::move(row));
    if (front.error().empty()) continue;
    errors += colour.bad(is_attached ? "not as configured" : "no front line") + " on " +
              safe(front.interface()) + ": " + safe(front.error()) + "\n";
  }
  return table.to_string() + errors + "\n";
}

}  // namespace

std::string status_text(const control::v1::StatusResponse& status, Colour colour) {
  std::string text = "headgated " + status.version() + ", pid " + std::to_string(status.pid()) +
                     ", since " + utc(status.start_time_unix()) + "\n" + "config " +
                     status.config_file() + ", cgroup " + status.cgroup() + ", netns " +
                     safe(status.netns()) + pins(status) + "\n" + namespaces_line(status) +
                     reload_line(status, colour) + "\n";
  Table rules({"RULE", "LISTEN", "MODE", "CONNECTIONS", "TOTAL LIMIT", "CLIENTS", "CLIENT LIMIT",
               "HALF-OPEN", "ADMITTED", "REFUSED", "WOULD REFUSE", "CLOSED"},
              {false, false, false, true, true, true, true, true, true, true, true, true});
  for (const control::v1::Rule& rule : status.rules()) {
    const std::uint64_t would_refuse = sum(rule.would_refuse());
    const bool has_monitored = rule.mode() == "monitor" || would_refuse > 0;
    rules.add({rule.name(), joined(rule.listen()), rule.mode(), std::to_string(rule.connections()),
               limit_of(rule, rule.has_total_limit(), &control::v1::Rule::total_limit),
               std::to_string(rule.clients()),
               limit_of(rule, rule.has_per_client_limit(), &control::v1::Rule::per_client_limit),
               std::to_string(rule.half_open()), std::to_string(rule.admitted()),
               std::to_string(sum(rule.refused())),
               has_monitored ? std::to_string(would_refuse) : "-",
               std::to_string(rule.overshoot_closed())});
  }
  text += rules.to_string() + "\n" + fronts_text(status, colour);
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
  if (clients.clients().empty()) return "no such client\n";
  const bool with_netns = has_namespaces(clients);
  std::vector<std::string> header = {"RULE",      "CLIENT",  "CONNECTIONS", "LIMIT",
                                     "HALF-OPEN", "REFUSED", "RATE"};
  std::vector<bool> is_right = {false, false, true, true, true, true, true};
  if (with_netns) {
    header.insert(header.begin(), "NETNS");
    is_right.insert(is_right.begin(), false);
  }
  Table table(header, is_right);
  for (const control::v1::Client& client : clients.clients()) {
    std::vector<std::string> row = {
        client.rule(),
        client.prefix(),
        std::to_string(client.connections()),
        limit_of(client, client.has_limit(), &control::v1::Client::limit),
        std::to_string(client.half_open()),
        std::to_string(client.refused()),
        readable(client.rate()) + "/s"};
    if (with_netns) row.insert(row.begin(), safe(client.netns()));
    table.add(std::move(row));
  }
  std::string text = table.to_string();
  const auto shown = static_cast<std::uint32_t>(clients.clients_size());
  if (shown < clients.total()) {
    text += "\n" + std::to_string(shown) + " of " + std::to_string(clients.total()) +
            " clients; --limit shows more\n";
  }
  return text;
}

}  // namespace headgate::cli
