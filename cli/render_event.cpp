// SPDX-License-Identifier: Apache-2.0
#include "cli/json.h"
#include "cli/render.h"
#include "cli/words.h"

namespace headgate::cli {
namespace {

std::string kind_of(const control::v1::Event& event, Colour colour) {
  const std::string kind = safe(event.kind());
  if (kind == "refused" || kind == "penalty" || kind == "closed") return colour.bad(kind);
  return colour.odd(kind);
}

}  // namespace

std::string event_text(const control::v1::Event& event, Colour colour) {
  std::string text;
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) text += std::string(" ") + key + "=" + safe(value);
  };
  if (event.lost() > 0) {
    text =
        colour.odd("(" + count_of(event.lost(), "event") + " lost: too slow to take them)") + "\n";
  }
  text += utc_with_fraction(event.time_unix_ns()) + " " + kind_of(event, colour);
  add("rule", event.rule());
  add("client", event.client());
  if (event.client_port() != 0) add("port", std::to_string(event.client_port()));
  add("server", event.server());
  add("reason", event.reason());
  add("action", event.action());
  if (event.suppressed() > 0) add("suppressed", std::to_string(event.suppressed()));
  if (!event.text().empty()) text += ": " + safe(event.text());
  return text + "\n";
}

std::string event_json(const control::v1::Event& event) {
  Json json{{"time_unix_ns", event.time_unix_ns()}, {"kind", event.kind()}};
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  add("rule", event.rule());
  add("client", event.client());
  if (event.client_port() != 0) json["client_port"] = event.client_port();
  add("server", event.server());
  add("reason", event.reason());
  add("action", event.action());
  add("text", event.text());
  json["suppressed"] = event.suppressed();
  json["lost"] = event.lost();
  return dump_line(json);
}

std::string error_json(const std::string& message) {
  return dump({{"error", message}});
}

}  // namespace headgate::cli
