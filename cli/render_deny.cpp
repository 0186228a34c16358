// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "cli/json.h"
#include "cli/render.h"
#include "cli/table.h"
#include "cli/words.h"

namespace headgate::cli {
namespace {

std::string remaining(const control::v1::DenyEntry& entry, Now now) {
  if (entry.until_unix_ms() == 0) return "for good";
  const Now until{std::chrono::milliseconds(entry.until_unix_ms())};
  return until <= now ? "over" : readable(until - now);
}

}  // namespace

Json to_json(const control::v1::DenyListed& listed) {
  const control::v1::DenyEntry& entry = listed.entry();
  Json json{{"cidr", entry.cidr()}, {"reason", entry.reason()}};
  if (entry.until_unix_ms() != 0) json["until_unix_ms"] = entry.until_unix_ms();
  json["is_hard"] = entry.is_hard();
  json["source"] = listed.source();
  if (!listed.rule().empty()) json["rule"] = listed.rule();
  return json;
}

std::string deny_list_text(const std::vector<control::v1::DenyListed>& list, Now now) {
  if (list.empty()) return "nobody is denied\n";
  Table table({"CLIENTS", "STILL FOR", "SOURCE", "RULE", "REASON"},
              {false, true, false, false, false});
  for (const control::v1::DenyListed& listed : list) {
    table.add({safe(listed.entry().cidr()), remaining(listed.entry(), now),
               safe(listed.source()) + (listed.entry().is_hard() ? ", hard" : ""),
               listed.rule().empty() ? "every" : safe(listed.rule()),
               safe(listed.entry().reason())});
  }
  return table.to_string();
}

std::string deny_list_json(const std::vector<control::v1::DenyListed>& list) {
  Json entries = Json::array();
  for (const control::v1::DenyListed& listed : list) entries.push_back(to_json(listed));
  return dump({{"entries", std::move(entries)}});
}

std::string deny_text(const control::v1::DenyResponse& response, bool has_evicted) {
  std::string text;
  const auto add = [&](std::uint64_t count, const std::string& what) {
    if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  };
  add(response.added(), "added");
  add(response.replaced(), "replaced");
  add(response.removed(), "removed");
  add(response.unknown(), "not on the list");
  if (text.empty()) text = "nothing has changed";
  if (has_evicted) text += "; " + count_of(response.evicted(), "connection") + " closed";
  return text + "\n";
}

std::string deny_json(const control::v1::DenyResponse& response) {
  return dump({{"added", response.added()},
               {"replaced", response.replaced()},
               {"removed", response.removed()},
               {"unknown", response.unknown()},
               {"evicted", response.evicted()}});
}

std::string evict_text(const control::v1::EvictResponse& response) {
  std::string text = count_of(response.closed(), "connection") + " closed";
  if (response.gone() > 0) text += ", " + std::to_string(response.gone()) + " had ended meanwhile";
  return text + "\n";
}

std::string evict_json(const control::v1::EvictResponse& response) {
  return dump({{"closed", response.closed()}, {"gone", response.gone()}});
}

}  // namespace headgate::cli
