// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_map>

#include "daemon/config/group.h"
#include "daemon/config/listen.h"
#include "daemon/config/readers.h"

namespace headgate::config {
namespace {

constexpr std::size_t kMaxNameBytes = 63;

using NamePlaces = std::unordered_map<std::string, Position>;

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

Result<void> read_unique_name(const Value& value, NamePlaces& names, std::string& into) {
  Result<void> done = store(into, read_name(value));
  if (!done) return done;
  const auto [first, is_new] = names.emplace(into, value.position());
  if (is_new) return {};
  return value.fail("duplicate rule name '" + into + "', first at line " +
                    std::to_string(first->second.line) + "; a name of its own would be right");
}

using ParseGroup = Result<std::string> (*)(std::string_view);

Field group_field(std::string_view key, std::string_view expected, ParseGroup parse,
                  std::string& into) {
  return {key, [expected, parse, &into](const Value& value) -> Result<void> {
            Result<std::string> text = value.text(expected);
            if (!text) return tl::unexpected(std::move(text).error());
            Result<std::string> name = parse(*text);
            if (!name) return value.fail(name.error().message);
            return store(into, std::move(name));
          }};
}

Result<Listen> read_group(const Value& value) {
  Listen listen;
  const Result<void> done =
      read_map(value, "a listen entry",
               {group_field(kUnitKey, kUnitForms, parse_unit, listen.unit),
                group_field(kCgroupKey, kCgroupForms, parse_cgroup, listen.cgroup)});
  if (!done) return tl::unexpected(done.error());
  if (listen.unit.empty() && listen.cgroup.empty()) {
    return value.fail("a listen entry is an empty map; { unit: nginx.service } would be right");
  }
  if (!listen.unit.empty() && !listen.cgroup.empty()) {
    return value.fail(
        "a listen entry has both 'unit' and 'cgroup'; an entry for each would be right");
  }
  return listen;
}

Result<void> read_listen_entry(const Value& value, std::vector<Listen>& into) {
  const NodeKind kind = value.content().kind;
  if (kind != NodeKind::kScalar && kind != NodeKind::kMap) {
    return value.fail_expecting(
        R"(text such as 443, "192.0.2.10:443" or, always in quotes, "[2001:db8::1]:443")");
  }
  if (kind == NodeKind::kMap) {
    Result<Listen> group = read_group(value);
    if (!group) return tl::unexpected(std::move(group).error());
    group->position = value.position();
    into.push_back(*std::move(group));
    return {};
  }
  Result<Listen> listen = parse_listen(value.content().text);
  if (!listen) return value.fail(listen.error().message);
  listen->position = value.position();
  into.push_back(*listen);
  return {};
}

Result<void> read_listen(const Value& value, std::vector<Listen>& into) {
  const NodeKind kind = value.content().kind;
  if (kind == NodeKind::kScalar || kind == NodeKind::kMap) return read_listen_entry(value, into);
  if (kind != NodeKind::kList || value.content().items.empty()) {
    const bool empty_list = kind == NodeKind::kList;
    constexpr std::string_view kExpected = R"(a list such as ["443", "192.0.2.10:8443"])";
    return empty_list ? value.fail("'listen' is an empty list; " + std::string(kExpected) +
                                   " would be right")
                      : value.fail_expecting(kExpected);
  }
  return read_list(value, [&](const Value& item) { return read_listen_entry(item, into); });
}

Result<Rule> read_rule(const Value& item, const DraftSettings& defaults, NamePlaces& names) {
  const Value value(item.file(), "", item.node());  // names in messages begin at the rule
  Rule rule;
  rule.position = value.position();
  DraftSettings settings = defaults;
  std::vector<Field> fields = {
      {"name", [&](const Value& v) { return read_unique_name(v, names, rule.name); }, true},
      {"listen", [&](const Value& v) { return read_listen(v, rule.listen); }, true},
      {"connections", [&](const Value& v) { return read_connections(v, rule.connections); }},
      {"new_connections",
       [&](const Value& v) { return read_new_connections(v, rule.new_connections); }},
      {"penalty", [&](const Value& v) { return read_penalty(v, rule.penalty); }},
      {"overrides", [&](const Value& v) { return read_overrides(v, rule.overrides); }},
  };
  for (Field& field : setting_fields(settings)) fields.push_back(std::move(field));
  Result<void> done = read_map(value, "a rule", fields);
  if (done) done = store(rule.settings, settle(settings, value));
  if (!done) return tl::unexpected(std::move(done).error());
  return rule;
}

}  // namespace

Result<void> read_rules(const Value& value, const DraftSettings& defaults,
                        std::vector<Rule>& into) {
  if (value.content().kind != NodeKind::kList) {
    return value.fail_expecting("a list of '- name: …' items, or [] for none,");
  }
  if (value.content().items.size() > kMaxRules) {
    return value.fail("'rules' has " + std::to_string(value.content().items.size()) +
                      " rules; at most " + std::to_string(kMaxRules) + " would be right");
  }
  NamePlaces names;
  return read_list(value, [&](const Value& item) -> Result<void> {
    Result<Rule> rule = read_rule(item, defaults, names);
    if (!rule) return tl::unexpected(std::move(rule).error());
    into.push_back(*std::move(rule));
    return {};
  });
}

}  // namespace headgate::config
