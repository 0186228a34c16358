// SPDX-License-Identifier: Apache-2.0
#include "cli/json.h"
#include "cli/render.h"
#include "cli/words.h"

namespace headgate::cli {
namespace {

using control::v1::Change;

std::string from_to(const Change& change) {
  return (change.from().empty() ? "" : safe(change.from()) + " -> ") + safe(change.to());
}

// "~ web: connections.per_client 100 -> 200"
std::string line_of(const Change& change, Colour colour) {
  const std::string of_rule = change.rule().empty() ? "" : safe(change.rule()) + ": ";
  const std::string key = safe(change.key());
  switch (change.kind()) {
    case Change::ADDED:
      return colour.good("+ rule " + safe(change.rule()));
    case Change::REMOVED:
      return colour.bad("- rule " + safe(change.rule()));
    case Change::NEEDS_RESTART:
      return colour.odd("! " + of_rule + key + " " + from_to(change) +
                        ", takes effect at the next start");
    default:
      return colour.odd("~ " + of_rule + key + " " + from_to(change));
  }
}

const char* name_of(Change::Kind kind) {
  switch (kind) {
    case Change::ADDED:
      return "added";
    case Change::REMOVED:
      return "removed";
    case Change::CHANGED:
      return "changed";
    case Change::NEEDS_RESTART:
      return "needs_restart";
    default:
      return "unknown";
  }
}

std::string lines_of(const google::protobuf::RepeatedPtrField<Change>& changes, Colour colour) {
  std::string text;
  for (const Change& change : changes) text += line_of(change, colour) + "\n";
  return text;
}

Json to_json(const google::protobuf::RepeatedPtrField<Change>& changes) {
  Json list = Json::array();
  for (const Change& change : changes) {
    list.push_back({{"kind", name_of(change.kind())},
                    {"rule", change.rule()},
                    {"key", change.key()},
                    {"from", change.from()},
                    {"to", change.to()}});
  }
  return list;
}

}  // namespace

std::string reload_text(const control::v1::ReloadResponse& reload, Colour colour) {
  std::string text = lines_of(reload.changes(), colour);
  if (reload.changes().empty()) text = "nothing has changed\n";
  text += "generation " + std::to_string(reload.generation()) + " in force (took " +
          readable(std::chrono::microseconds(reload.took_us()));
  if (reload.rekeyed() > 0) text += ", " + count_of(reload.rekeyed(), "connection") + " re-keyed";
  text += ")\n";
  for (const std::string& warning : reload.warnings()) text += "warning: " + safe(warning) + "\n";
  return text;
}

std::string reload_json(const control::v1::ReloadResponse& reload) {
  return dump({{"generation", reload.generation()},
               {"changes", to_json(reload.changes())},
               {"rekeyed", reload.rekeyed()},
               {"took_us", reload.took_us()},
               {"warnings", reload.warnings()}});
}

std::string diff_text(const control::v1::DiffResponse& diff, Colour colour) {
  std::string text;
  if (diff.changes().empty()) {
    text = "what is in force is what the configuration file says\n";
  } else {
    text = "from the configuration file to what is in force:\n" + lines_of(diff.changes(), colour);
  }
  if (diff.settings().empty()) return text + "nothing is set\n";
  text += "set:\n";
  for (const control::v1::Setting& setting : diff.settings()) {
    text += "  " + safe(setting.rule()) + " " + safe(setting.key()) + "=" + safe(setting.value()) +
            (setting.is_persistent() ? " (persistent)\n" : " (until the next reload)\n");
  }
  return text;
}

std::string diff_json(const control::v1::DiffResponse& diff) {
  Json settings = Json::array();
  for (const control::v1::Setting& setting : diff.settings()) {
    settings.push_back({{"rule", setting.rule()},
                        {"key", setting.key()},
                        {"value", setting.value()},
                        {"is_persistent", setting.is_persistent()}});
  }
  return dump({{"changes", to_json(diff.changes())}, {"settings", std::move(settings)}});
}

}  // namespace headgate::cli
