// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/parse.h"

#include <algorithm>
#include <map>

#include "daemon/config/document.h"
#include "daemon/config/error.h"
#include "daemon/config/listen.h"
#include "daemon/config/text.h"
#include "daemon/config/value.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kMinimalConfig =
    "rules: [{ name: web, listen: [443], connections: { per_client: 100 } }]";

// Sizes that the kernel accepts. The LRU of half-open clients gives way too early when it is small.
constexpr std::uint32_t kMinConnections = 2;
constexpr std::uint32_t kMinClients = 1;
constexpr std::uint32_t kMinHalfOpen = 1024;
constexpr std::uint32_t kMaxTableEntries = 16'777'216;

constexpr std::size_t kMaxNameBytes = 63;
constexpr std::size_t kMaxPathBytes = 4095;   // PATH_MAX without the terminator
constexpr std::size_t kMaxSocketBytes = 107;  // sockaddr_un.sun_path without the terminator

// The keys that `defaults` and every rule share.
std::vector<Field> setting_fields(RuleSettings& into) {
  return {
      {"client_prefix",
       [&](const Value& value) {
         return read_map(
             value, "client_prefix",
             {
                 {"ipv4",
                  [&](const Value& v) { return store(into.client_prefix.ipv4, v.integer(0, 32)); }},
                 {"ipv6",
                  [&](const Value& v) {
                    return store(into.client_prefix.ipv6, v.integer(0, 128));
                  }},
             });
       }},
      {"handshake_timeout",
       [&](const Value& value) {
         return store(into.handshake_timeout, value.duration(100ms, 1h));
       }},
      {"count_half_open",
       [&](const Value& value) {
         return store(into.count_half_open,
                      value.choice<CountHalfOpen>({{"client", CountHalfOpen::kClient},
                                                   {"all", CountHalfOpen::kAll},
                                                   {"none", CountHalfOpen::kNone}}));
       }},
      {"on_limit",
       [&](const Value& value) {
         return store(into.on_limit, value.choice<OnLimit>({{"reset", OnLimit::kReset}}));
       }},
      {"on_table_full",
       [&](const Value& value) {
         return store(into.on_table_full,
                      value.choice<OnTableFull>(
                          {{"admit", OnTableFull::kAdmit}, {"refuse", OnTableFull::kRefuse}}));
       }},
  };
}

Result<std::string> read_name(const Value& value) {
  constexpr std::string_view kExpected = "1 to 63 of the characters A-Z a-z 0-9 _ . -";
  Result<std::string> name = value.text(kExpected);
  if (!name) return name;
  const bool allowed = std::all_of(name->begin(), name->end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
  if (!allowed || name->size() > kMaxNameBytes) return value.fail_expecting(kExpected);
  return name;
}

Result<void> read_listen_entry(const Value& value, std::vector<Listen>& into) {
  if (value.content().kind != NodeKind::kScalar) {
    return value.fail_expecting(
        R"(text such as 443, "192.0.2.10:443" or, always in quotes, "[2001:db8::1]:443")");
  }
  Result<Listen> listen = parse_listen(value.content().text);
  if (!listen) return value.fail(listen.error().message);
  listen->position = value.position();
  into.push_back(*listen);
  return {};
}

Result<void> read_listen(const Value& value, std::vector<Listen>& into) {
  const NodeKind kind = value.content().kind;
  if (kind == NodeKind::kScalar) return read_listen_entry(value, into);
  if (kind != NodeKind::kList || value.content().items.empty()) {
    const bool empty_list = kind == NodeKind::kList;
    constexpr std::string_view kExpected = R"(a list such as ["443", "192.0.2.10:8443"])";
    return empty_list ? value.fail("'listen' is an empty list; " + std::string(kExpected) +
                                   " would be right")
                      : value.fail_expecting(kExpected);
  }
  return read_list(value, [&](const Value& item) { return read_listen_entry(item, into); });
}

Result<void> read_connections(const Value& value, ConnectionLimits& into) {
  return read_map(
      value, "connections",
      {
          {"per_client",
           [&](const Value& v) { return store(into.per_client, v.integer(0, kMaxConnections)); }},
          {"total",
           [&](const Value& v) { return store(into.total, v.integer(0, kMaxConnections)); }},
      });
}

Result<Rule> read_rule(const Value& value, const RuleSettings& defaults,
                       std::map<std::string, Position>& names) {
  Rule rule;
  rule.settings = defaults;
  rule.position = value.position();
  const auto read_unique_name = [&](const Value& v) -> Result<void> {
    Result<void> done = store(rule.name, read_name(v));
    if (!done) return done;
    const auto [first, is_new] = names.emplace(rule.name, v.position());
    if (is_new) return {};
    return v.fail("duplicate rule name '" + rule.name + "', first at line " +
                  std::to_string(first->second.line) + "; a name of its own would be right");
  };
  std::vector<Field> fields = {
      {"name", read_unique_name, true},
      {"listen", [&](const Value& v) { return read_listen(v, rule.listen); }, true},
      {"connections", [&](const Value& v) { return read_connections(v, rule.connections); }},
  };
  for (Field& field : setting_fields(rule.settings)) fields.push_back(std::move(field));
  Result<void> done = read_map(Value(value.file(), "", value.node()), "a rule", fields);
  if (!done) return tl::unexpected(std::move(done).error());
  return rule;
}

Result<void> read_rules(const Value& value, const RuleSettings& defaults, Config& into) {
  if (value.content().kind != NodeKind::kList) {
    return value.fail_expecting("a list of '- name: …' items, or [] for none,");
  }
  if (value.content().items.size() > kMaxRules) {
    return value.fail("'rules' has " + std::to_string(value.content().items.size()) +
                      " rules; at most " + std::to_string(kMaxRules) + " would be right");
  }
  std::map<std::string, Position> names;
  return read_list(value, [&](const Value& item) -> Result<void> {
    Result<Rule> rule = read_rule(item, defaults, names);
    if (!rule) return tl::unexpected(std::move(rule).error());
    into.rules.push_back(*std::move(rule));
    return {};
  });
}

Result<void> read_metrics_listen(const Value& value, std::optional<std::string>& into) {
  Result<std::string> text = value.text(R"("127.0.0.1:9469" or off)");
  if (!text) return tl::unexpected(std::move(text).error());
  if (*text == "off") {
    into.reset();
    return {};
  }
  Result<std::string> endpoint = parse_endpoint(*text);
  if (!endpoint) return value.fail("'metrics.listen': " + endpoint.error().message);
  into = *std::move(endpoint);
  return {};
}

// `defaults` comes first because the rules start from it, wherever it stands in the file.
std::vector<Field> config_fields(Config& into, RuleSettings& defaults) {
  return {
      {"defaults",
       [&](const Value& value) {
         return read_map(Value(value.file(), "", value.node()), "defaults",
                         setting_fields(defaults));
       }},
      {"rules", [&](const Value& value) { return read_rules(value, defaults, into); }, true},
      {"tables",
       [&](const Value& value) {
         return read_map(
             value, "tables",
             {
                 {"connections",
                  [&](const Value& v) {
                    return store(into.tables.connections,
                                 v.integer(kMinConnections, kMaxTableEntries));
                  }},
                 {"clients",
                  [&](const Value& v) {
                    return store(into.tables.clients, v.integer(kMinClients, kMaxTableEntries));
                  }},
                 {"half_open",
                  [&](const Value& v) {
                    return store(into.tables.half_open, v.integer(kMinHalfOpen, kMaxTableEntries));
                  }},
             });
       }},
      {"metrics",
       [&](const Value& value) {
         return read_map(value, "metrics", {{"listen", [&](const Value& v) {
                                               return read_metrics_listen(v, into.metrics_listen);
                                             }}});
       }},
      {"control",
       [&](const Value& value) {
         return read_map(value, "control", {{"socket", [&](const Value& v) {
                                               return store(into.control_socket,
                                                            v.absolute_path(kMaxSocketBytes));
                                             }}});
       }},
      {"cgroup",
       [&](const Value& value) {
         return store(into.cgroup, value.absolute_path(kMaxPathBytes, {"auto"}));
       }},
      {"netns",
       [&](const Value& value) {
         return store(into.netns, value.absolute_path(kMaxPathBytes, {"self"}));
       }},
  };
}

}  // namespace

Result<Config> parse(std::string_view text, const std::string& file) {
  if (text.size() > kMaxFileBytes) {
    return fail_at(file, {1, 1},
                   "the file has " + std::to_string(text.size()) + " bytes; at most " +
                       std::to_string(kMaxFileBytes) + " would be right");
  }
  const Result<void> readable = check_text(text, file);
  if (!readable) return tl::unexpected(readable.error());
  const Result<Node> document = parse_document(text, file);
  if (!document) return tl::unexpected(document.error());
  if (document->content->kind == NodeKind::kEmpty) {
    return fail_at(
        file, document->position,
        "the file is empty; at least '" + std::string(kMinimalConfig) + "' would be right");
  }
  Config config;
  RuleSettings defaults;
  const Result<void> done =
      read_map(Value(file, "", *document), "the configuration", config_fields(config, defaults));
  if (!done) return tl::unexpected(done.error());
  return config;
}

}  // namespace headgate::config
