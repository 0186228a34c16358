// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/settings_file.h"

#include <map>
#include <utility>

#include "daemon/config/error.h"
#include "daemon/config/file.h"
#include "daemon/config/flow_text.h"
#include "daemon/config/parse.h"
#include "daemon/config/text.h"
#include "daemon/config/value.h"

namespace headgate::config {
namespace {

constexpr std::string_view kHeader =
    "# Written by 'headgatectl set --persist', and replaced as a whole by the next one. Each item\n"
    "# stands in for what the configuration beside this file says.\n";

// By rule and key: where it was first set.
using Places = std::map<std::pair<std::string, std::string>, Position>;

Result<void> read_value(const Value& value, std::string& into) {
  if (value.content().kind == NodeKind::kEmpty) return value.fail_expecting("a value such as 200");
  into = to_flow_text(value.node());
  return {};
}

Result<void> read_setting(const Value& item, Places& places, Setting& into) {
  const Value value(item.file(), "", item.node());
  into.position = value.position();
  Result<void> done = read_map(
      value, "a setting",
      {{"rule", [&](const Value& v) { return store(into.rule, v.text("the name of a rule")); },
        true},
       {"key",
        [&](const Value& v) {
          return store(into.key, v.text("a key such as connections.per_client"));
        },
        true},
       {"value", [&](const Value& v) { return read_value(v, into.value); }, true}});
  if (!done) return done;
  const auto [first, is_new] = places.emplace(std::pair(into.rule, into.key), into.position);
  if (is_new) return {};
  return value.fail("duplicate setting of " + quote(into.key) + " for " + quote(into.rule) +
                    ", first at line " + std::to_string(first->second.line) +
                    "; each once would be right");
}

}  // namespace

std::string settings_path(const std::string& config_path) {
  for (const std::string_view extension : {".yaml", ".yml"}) {
    if (config_path.ends_with(extension)) {
      return config_path.substr(0, config_path.size() - extension.size()) + ".set.yaml";
    }
  }
  return config_path + ".set.yaml";
}

Result<std::vector<Setting>> parse_settings(std::string_view text, const std::string& file) {
  const Result<void> readable = check_text(text, file);
  if (!readable) return tl::unexpected(readable.error());
  const Result<Node> document = parse_document(text, file);
  if (!document) return tl::unexpected(document.error());
  std::vector<Setting> settings;
  if (document->content->kind == NodeKind::kEmpty) return settings;
  Places places;
  const auto read_items = [&](const Value& list) {
    return read_list(list, [&](const Value& item) {
      return read_setting(item, places, settings.emplace_back());
    });
  };
  const Result<void> done =
      read_map(Value(file, "", *document), "the settings", {{"set", read_items, true}});
  if (!done) return tl::unexpected(done.error());
  return settings;
}

Result<std::string> format_settings(const std::vector<Setting>& settings) {
  std::string text(kHeader);
  text += settings.empty() ? "set: []\n" : "set:\n";
  for (const Setting& setting : settings) {
    const Result<Node> value = parse_value(setting, origin_of(setting, ""));
    if (!value) return tl::unexpected(value.error());
    text += "  - { rule: " + scalar_text(setting.rule) + ", key: " + scalar_text(setting.key) +
            ", value: " + to_flow_text(*value) + " }\n";
  }
  return text;
}

Result<std::vector<Setting>> load_settings(const std::string& path) {
  const Result<std::string> text = read_file(path);
  if (text) return parse_settings(*text, path);
  if (text.error().code == ErrorCode::kNotFound) return std::vector<Setting>{};
  return tl::unexpected(text.error());
}

Result<void> save_settings(const std::string& path, const std::vector<Setting>& settings) {
  const Result<std::string> text = format_settings(settings);
  if (!text) return tl::unexpected(text.error());
  if (text->size() > kMaxFileBytes) {
    return fail(ErrorCode::kInvalidArgument, path + ": would be too large with these settings");
  }
  return replace_file(path, *text);
}

}  // namespace headgate::config
