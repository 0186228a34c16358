// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "bpf/abi.h"
#include "cli/json.h"
#include "cli/render.h"
#include "cli/table.h"
#include "cli/words.h"

namespace headgate::cli {
namespace {

using control::v1::DenyListed;
using control::v1::ExplainResponse;
using control::v1::Level;

constexpr char kNoReason[] = "none";

// "the client holds as many connections as the rule allows one client"
std::string words_of(const std::string& reason) {
#define HG_REASON_WORDS(name, label, text) \
  if (reason == (label)) return text;
  HG_REASONS(HG_REASON_WORDS)
#undef HG_REASON_WORDS
  return safe(reason);  // a newer daemon's
}

std::string of_action(const std::string& action) {
  if (action == "reset") return "with a RST";
  if (action == "drop") return "in silence: the SYN is dropped";
  if (action == "reply") return "with the rule's reply";
  return "with " + safe(action);
}

std::string verdict(const ExplainResponse& explanation, Colour colour) {
  const bool is_refusal = !explanation.reason().empty() && explanation.reason() != kNoReason;
  const std::string why = safe(explanation.reason()) + ": " + words_of(explanation.reason());
  if (!explanation.is_admitted()) return colour.bad("WOULD BE REFUSED") + "  " + why;
  if (!is_refusal) return colour.good("ADMITTED") + "  every limit has room";
  const char* despite = explanation.exempt_by().empty() ? "only because of mode monitor; else "
                                                        : "only because it is exempt; else ";
  return colour.odd("ADMITTED") + "  " + despite + why;
}

std::string lasts(const control::v1::DenyEntry& entry, Now now) {
  if (entry.until_unix_ms() == 0) return "for good";
  const Now until{std::chrono::milliseconds(entry.until_unix_ms())};
  if (until <= now) return "ending now";
  return readable(until - now) + " more, until " + utc(entry.until_unix_ms() / 1000);
}

std::string entry_line(const DenyListed& listed, Now now) {
  const control::v1::DenyEntry& entry = listed.entry();
  std::string text = safe(entry.cidr()) + ", " + lasts(entry, now);
  if (entry.is_hard()) text += ", hard";
  if (!entry.reason().empty()) text += ", reason: " + safe(entry.reason());
  return text + " (from " + safe(listed.source()) + ")";
}

std::string tokens(const Level& level) {
  if (!level.has_bucket()) return "no limit";
  const control::v1::Bucket& bucket = level.bucket();
  std::string text = readable(bucket.tokens()) + " of " + count_of(bucket.burst(), "token");
  if (bucket.until_next_ns() > 0) {
    text += ", next in " + readable(std::chrono::nanoseconds(bucket.until_next_ns()));
  }
  // Slow rates as an interval: 1 every 3600 s reads better than 0.0 a second.
  if (bucket.rate_per_second() >= 1) return text + ", " + readable(bucket.rate_per_second()) + "/s";
  const auto every = std::chrono::nanoseconds(
      static_cast<std::int64_t>(bucket.rate_per_second() > 0 ? 1e9 / bucket.rate_per_second() : 0));
  return text + ", one every " + readable(every);
}

std::string counted(const Level& level) {
  std::string text = std::to_string(std::uint64_t{level.connections()} + level.half_open());
  text += level.has_limit() ? " of " + std::to_string(level.limit()) : ", no limit";
  if (level.half_open() > 0) text += " (" + std::to_string(level.half_open()) + " half-open)";
  return text;
}

// The level whose lack of room is the reason, so that it can be pointed at.
struct Culprit {
  bool connections = false;
  bool rate = false;
};
Culprit culprit(const std::string& reason, const std::string& level) {
  return {reason == level + "_connections", reason == level + "_rate"};
}

void add_level(Table& table, const std::string& name, const std::string& reason,
               const Level& level) {
  const Culprit full = culprit(reason, name);
  const auto mark = [](const std::string& text, bool is_full) {
    return is_full ? text + " <- full" : text;
  };
  table.add({name, level.who().empty() ? "all" : safe(level.who()),
             mark(counted(level), full.connections), mark(tokens(level), full.rate)});
}

Json to_json(const Level& level) {
  Json json = Json::object();
  if (!level.who().empty()) json["who"] = level.who();
  json["connections"] = level.connections();
  json["half_open"] = level.half_open();
  if (level.has_limit()) json["limit"] = level.limit();
  if (level.has_bucket()) {
    json["bucket"] = {{"rate_per_second", level.bucket().rate_per_second()},
                      {"burst", level.bucket().burst()},
                      {"tokens", level.bucket().tokens()},
                      {"until_next_ns", level.bucket().until_next_ns()}};
  }
  return json;
}

}  // namespace

std::string explain_text(const ExplainResponse& explanation, Now now, Colour colour) {
  std::string text = safe(explanation.client()) + " at rule " + safe(explanation.rule()) + ": " +
                     verdict(explanation, colour) + "\n\n";
  Table table({"LEVEL", "WHO", "CONNECTIONS", "NEW CONNECTIONS"}, {false, false, false, false});
  add_level(table, "client", explanation.reason(), explanation.per_client());
  add_level(table, "network", explanation.reason(), explanation.per_network());
  add_level(table, "total", explanation.reason(), explanation.total());
  text += table.to_string() + "\n";
  if (explanation.reserve() > 0) {
    text += "reserve    " + std::to_string(explanation.reserve()) +
            " of the total are kept for exempt clients\n";
  }
  if (explanation.has_deny()) {
    text += "denied     " + colour.bad(entry_line(explanation.deny(), now)) + "\n";
  }
  if (explanation.has_penalty()) {
    text += "penalty    " + colour.bad(entry_line(explanation.penalty(), now)) + "\n";
  }
  if (explanation.penalty_times() > 0) {
    text += "penalised  " + count_of(explanation.penalty_times(), "time") + " so far\n";
  }
  if (!explanation.exempt_by().empty()) {
    text += "exempt     by " + safe(explanation.exempt_by()) + ": counted, never refused\n";
  }
  if (!explanation.overridden_by().empty()) {
    text += "override   of " + safe(explanation.overridden_by()) + " applies\n";
  }
  text += "mode       " +
          (explanation.mode() == "monitor"
               ? colour.odd("monitor") + ": counted and logged, refuses nothing\n"
               : safe(explanation.mode()) + ", refuses " + of_action(explanation.action()) + "\n");
  return text + "policy     generation " + std::to_string(explanation.generation()) + "\n";
}

std::string explain_json(const std::vector<ExplainResponse>& explanations) {
  Json list = Json::array();
  for (const ExplainResponse& explanation : explanations) {
    Json json{{"rule", explanation.rule()},
              {"generation", explanation.generation()},
              {"client", explanation.client()},
              {"is_admitted", explanation.is_admitted()},
              {"reason", explanation.reason()},
              {"action", explanation.action()},
              {"mode", explanation.mode()},
              {"per_client", to_json(explanation.per_client())},
              {"per_network", to_json(explanation.per_network())},
              {"total", to_json(explanation.total())},
              {"reserve", explanation.reserve()},
              {"penalty_times", explanation.penalty_times()}};
    if (!explanation.overridden_by().empty()) json["overridden_by"] = explanation.overridden_by();
    if (!explanation.exempt_by().empty()) json["exempt_by"] = explanation.exempt_by();
    if (explanation.has_deny()) json["deny"] = cli::to_json(explanation.deny());
    if (explanation.has_penalty()) json["penalty"] = cli::to_json(explanation.penalty());
    list.push_back(std::move(json));
  }
  return dump({{"explanations", std::move(list)}});
}

}  // namespace headgate::cli
