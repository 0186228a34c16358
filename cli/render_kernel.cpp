// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "cli/json.h"
#include "cli/render.h"
#include "cli/table.h"
#include "cli/words.h"

namespace headgate::cli {
namespace {

using control::v1::Drift;
using control::v1::VerifyResponse;

std::string difference(const Drift& drift) {
  const std::int64_t off = std::int64_t{drift.counted()} - drift.live();
  return (off > 0 ? "+" : "") + std::to_string(off);
}

bool has_namespaces(const VerifyResponse& found) {
  std::set<std::string> names;
  for (const Drift& drift : found.drift()) names.insert(drift.netns());
  return names.size() > 1;
}

std::string drift_table(const VerifyResponse& found) {
  const bool with_netns = has_namespaces(found);
  std::vector<std::string> header = {"RULE", "CLIENT", "COUNTED", "LIVE", "DRIFT"};
  std::vector<bool> is_right = {false, false, true, true, true};
  if (with_netns) {
    header.insert(header.begin(), "NETNS");
    is_right.insert(is_right.begin(), false);
  }
  Table table(header, is_right);
  for (const Drift& drift : found.drift()) {
    std::vector<std::string> row = {
        safe(drift.rule()), drift.client().empty() ? "total" : safe(drift.client()),
        std::to_string(drift.counted()), std::to_string(drift.live()), difference(drift)};
    if (with_netns) row.insert(row.begin(), safe(drift.netns()));
    table.add(std::move(row));
  }
  return table.to_string();
}

const char* level_of(const kernel::Requirement& requirement) {
  return requirement.level == kernel::Requirement::Level::kRequired ? "required" : "optional";
}

std::string mark_of(const kernel::Requirement& requirement, Colour colour) {
  if (requirement.is_met) return colour.good("ok     ");
  return requirement.is_lacking() ? colour.bad("MISSING") : colour.odd("absent ");
}

std::size_t count_lacking(const std::vector<kernel::Requirement>& requirements) {
  return static_cast<std::size_t>(
      std::count_if(requirements.begin(), requirements.end(),
                    [](const kernel::Requirement& one) { return one.is_lacking(); }));
}

}  // namespace

std::string verify_text(const VerifyResponse& found, bool repair, Colour colour) {
  const std::string held = grouped(found.connections()) +
                           (found.connections() == 1 ? " connection of " : " connections of ") +
                           grouped(found.clients()) +
                           (found.clients() == 1 ? " client" : " clients");
  if (found.drift().empty()) return held + ": the counters agree with the open sockets\n";
  const auto off = static_cast<std::uint64_t>(found.drift_size());
  std::string text = drift_table(found) + "\n" + held + " are open; " + grouped(off) +
                     (off == 1 ? " counter says" : " counters say") + " something else\n";
  if (!repair) return text + "headgatectl verify --repair makes them agree\n";
  if (found.is_repaired()) {
    return text + colour.good("repaired") + ": the counters agree with the open sockets now\n";
  }
  return text + colour.bad("NOT REPAIRED") + ": a second look still found a difference\n";
}

std::string verify_json(const VerifyResponse& found) {
  Json json{{"drift", Json::array()},
            {"connections", found.connections()},
            {"clients", found.clients()},
            {"is_repaired", found.is_repaired()}};
  for (const Drift& drift : found.drift()) {
    Json entry{{"netns", drift.netns()}, {"rule", drift.rule()}};
    if (!drift.client().empty()) entry["client"] = drift.client();
    entry["counted"] = drift.counted();
    entry["live"] = drift.live();
    json["drift"].push_back(std::move(entry));
  }
  return dump(json);
}

std::string detach_text(const Detached& detached) {
  if (!detached.was_there) {
    return "nothing to detach: nothing is pinned in " + safe(detached.pin_dir) + "\n";
  }
  if (detached.hooks == 0) {
    return "removed what was left in " + safe(detached.pin_dir) + "; nothing was attached\n";
  }
  std::string where;
  for (const std::string& path : detached.former) {
    where += (where.empty() ? ", also in " : " and ") + safe(path);
  }
  return "detached " + count_of(detached.hooks, "hook") + where +
         "; no connection is limited any more\n";
}

std::string detach_json(const Detached& detached) {
  Json json{
      {"pin_dir", detached.pin_dir}, {"was_there", detached.was_there}, {"hooks", detached.hooks}};
  if (!detached.former.empty()) json["former"] = detached.former;
  return dump(json);
}

std::string doctor_text(const std::vector<kernel::Requirement>& requirements, Colour colour) {
  std::string text;
  std::size_t width = 0;
  for (const kernel::Requirement& requirement : requirements) {
    width = std::max(width, requirement.name.size());
  }
  for (const kernel::Requirement& requirement : requirements) {
    const bool is_optional = requirement.level == kernel::Requirement::Level::kOptional;
    text += mark_of(requirement, colour) + "  " + requirement.name +
            std::string(width - requirement.name.size(), ' ') + "  " +
            (is_optional ? "(optional) " : "") + requirement.meaning + ": " +
            safe(requirement.found) + "\n";
    if (!requirement.remedy.empty()) text += "         → " + requirement.remedy + "\n";
  }
  const std::size_t lacking = count_lacking(requirements);
  if (lacking == 0) return text + "\nheadgate can run here\n";
  return text + "\n" + colour.bad("headgate cannot run here") + ": " +
         count_of(lacking, "requirement") + " not met\n";
}

std::string doctor_json(const std::vector<kernel::Requirement>& requirements) {
  Json json{{"requirements", Json::array()}};
  for (const kernel::Requirement& requirement : requirements) {
    json["requirements"].push_back({{"name", requirement.name},
                                    {"level", level_of(requirement)},
                                    {"is_met", requirement.is_met},
                                    {"found", requirement.found},
                                    {"meaning", requirement.meaning},
                                    {"remedy", requirement.remedy}});
  }
  json["is_met"] = count_lacking(requirements) == 0;
  return dump(json);
}

}  // namespace headgate::cli
