// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/overlay.h"

#include <algorithm>
#include <unordered_map>

#include "daemon/config/error.h"
#include "daemon/config/text.h"
#include "daemon/config/words.h"

namespace headgate::config {
namespace {

constexpr std::size_t kMaxValueBytes = 16 * 1024;
constexpr std::size_t kMaxSegments = 4;  // more than any key has
constexpr std::string_view kReplyKey = "reply";
constexpr std::string_view kOnLimitKey = "on_limit";

using Path = std::vector<std::string>;

Path split_key(std::string_view key) {
  Path path;
  while (true) {
    const std::size_t dot = key.find('.');
    path.emplace_back(key.substr(0, dot));
    if (dot == std::string_view::npos) return path;
    key.remove_prefix(dot + 1);
  }
}

bool is_at_or_below(std::string_view key, std::string_view top) {
  return key == top || (key.starts_with(top) && key.substr(top.size()).starts_with('.'));
}

Result<Path> check_key(const Setting& setting, const std::string& origin) {
  const auto wrong = [&](const std::string& what) {
    return fail(ErrorCode::kInvalidArgument, origin + ": " + what);
  };
  Path path = split_key(setting.key);
  const bool has_gap = std::any_of(path.begin(), path.end(),
                                   [](const std::string& segment) { return segment.empty(); });
  if (has_gap || path.size() > kMaxSegments) {
    return wrong(quote(setting.key) +
                 " is not a key; one of a rule such as connections.per_client or mode would be "
                 "right");
  }
  if (path[0] == "name" || path[0] == "overrides") {
    return wrong(quote(path[0]) +
                 " cannot be set; a change in the configuration file and a reload would be right");
  }
  return path;
}

Node make_node(Content content, const Node& like) {
  return Node{like.position, std::make_shared<const Content>(std::move(content)), like.origin};
}

// `node` and all below it as if written at `position`, from `origin`.
Node stamped(const Node& node, Position position, const std::string* origin) {
  Content content = *node.content;
  for (Node& item : content.items) item = stamped(item, position, origin);
  for (Entry& entry : content.entries) {
    entry.position = position;
    entry.value = stamped(entry.value, position, origin);
  }
  return Node{position, std::make_shared<const Content>(std::move(content)), origin};
}

void recount(Content& content) {
  content.nodes = 1;
  content.height = 1;
  const auto add = [&](const Node& child) {
    content.nodes += child.content->nodes;
    content.height = std::max(content.height, child.content->height + 1);
  };
  for (const Node& item : content.items) add(item);
  for (const Entry& entry : content.entries) add(entry.value);
}

// What is there when a key below it is set. A limit written short, `per_client: 50/s`, is the same
// as { rate: 50/s }; other text gives way to a map.
Content as_map(const Node& node, const Path& path, std::size_t depth) {
  if (node.content->kind == NodeKind::kMap) return *node.content;
  Content map;
  map.kind = NodeKind::kMap;
  const bool is_short_limit = depth == 2 && path[0] == "new_connections" &&
                              node.content->kind == NodeKind::kScalar &&
                              node.content->text != kUnlimited;
  if (is_short_limit) map.entries.push_back(Entry{"rate", node.position, node});
  return map;
}

// `node`, found at path[0..depth), with `value` at the rest of the path. Shares all else.
Node with_value(const Node& node, const Path& path, std::size_t depth, const Node& value) {
  if (depth == path.size()) return value;
  const bool was_map = node.content->kind == NodeKind::kMap;
  Content content = as_map(node, path, depth);
  auto entry = std::find_if(content.entries.begin(), content.entries.end(),
                            [&](const Entry& candidate) { return candidate.key == path[depth]; });
  if (entry == content.entries.end()) {
    content.entries.push_back(Entry{path[depth], value.position, make_node(Content{}, value)});
    entry = std::prev(content.entries.end());
  }
  entry->value = with_value(entry->value, path, depth + 1, value);
  recount(content);
  return make_node(std::move(content), was_map ? node : value);
}

Node without_key(const Node& node, std::string_view key) {
  Content content = *node.content;
  std::erase_if(content.entries, [&](const Entry& entry) { return entry.key == key; });
  recount(content);
  return make_node(std::move(content), node);
}

Node rule_with_value(const Node& rule, const Path& path, const Node& value) {
  const Node changed = with_value(rule, path, 0, value);
  if (path[0] == kReplyKey) {
    Content word;
    word.kind = NodeKind::kScalar;
    word.text = word_for(kOnLimit, OnLimit::kReply);
    return with_value(changed, {std::string(kOnLimitKey)}, 0, make_node(std::move(word), value));
  }
  const bool replies = value.content->text == word_for(kOnLimit, OnLimit::kReply);
  return path[0] == kOnLimitKey && !replies ? without_key(changed, kReplyKey) : changed;
}

tl::unexpected<Error> no_such_rule(const Setting& setting, const std::string& origin,
                                   const Content& rules) {
  constexpr std::size_t kMostNames = 20;
  std::string names;
  for (std::size_t i = 0; i < std::min(rules.items.size(), kMostNames); ++i) {
    const Entry* const name = find_entry(*rules.items[i].content, "name");
    if (name == nullptr) continue;
    names += (names.empty() ? "" : ", ") + printable(name->value.content->text);
  }
  if (rules.items.size() > kMostNames) {
    names += " and " + std::to_string(rules.items.size() - kMostNames) + " more";
  }
  const bool in_file = setting.position.line > 0;
  return fail(
      in_file ? ErrorCode::kInvalidArgument : ErrorCode::kNotFound,
      origin + ": there is no rule " + quote(setting.rule) +
          (names.empty() ? "" : "; the rules are " + names) +
          (in_file ? "; this item without effect should be removed, or its rule renamed" : ""));
}

}  // namespace

void put_setting(std::vector<Setting>& settings, Setting setting) {
  const bool is_reply = is_at_or_below(setting.key, kReplyKey);
  const bool ends_reply = setting.key == kOnLimitKey && setting.value != "reply";
  std::erase_if(settings, [&](const Setting& older) {
    return older.rule == setting.rule &&
           (is_at_or_below(older.key, setting.key) || (is_reply && older.key == kOnLimitKey) ||
            (ends_reply && is_at_or_below(older.key, kReplyKey)));
  });
  settings.push_back(std::move(setting));
}

std::string origin_of(const Setting& setting, const std::string& file) {
  const std::string place = setting.position.line > 0 ? where(file, setting.position) + ": " : "";
  return place + "set " + printable(setting.rule) + " " + printable(setting.key) + "=" +
         printable(setting.value);
}

Result<Node> parse_value(const Setting& setting, const std::string& origin) {
  if (setting.value.size() > kMaxValueBytes) {
    return fail(ErrorCode::kInvalidArgument,
                origin + ": the value has " + std::to_string(setting.value.size()) +
                    " bytes; at most " + std::to_string(kMaxValueBytes) + " would be right");
  }
  const std::string name = origin + ": value";  // and the place in it
  const Result<void> readable = check_text(setting.value, name);
  if (!readable) return tl::unexpected(readable.error());
  return parse_document(setting.value, name);
}

Result<Node> apply_settings(const Node& document, const std::vector<Setting>& settings,
                            const std::vector<std::string>& origins) {
  const Entry* const found = find_entry(*document.content, "rules");
  const bool has_rules = found != nullptr && found->value.content->kind == NodeKind::kList;
  if (!has_rules) return document;  // whoever reads it says what is wrong with that

  Content rules = *found->value.content;
  std::unordered_map<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < rules.items.size(); ++i) {
    const Entry* const name = find_entry(*rules.items[i].content, "name");
    if (name != nullptr) by_name.emplace(name->value.content->text, i);
  }
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const auto rule = by_name.find(settings[i].rule);
    if (rule == by_name.end()) return no_such_rule(settings[i], origins[i], rules);
    const Result<Path> path = check_key(settings[i], origins[i]);
    if (!path) return tl::unexpected(path.error());
    const Result<Node> value = parse_value(settings[i], origins[i]);
    if (!value) return tl::unexpected(value.error());
    Node& node = rules.items[rule->second];
    node = rule_with_value(node, *path, stamped(*value, node.position, &origins[i]));
  }
  recount(rules);
  Content root = *document.content;
  for (Entry& entry : root.entries) {
    if (entry.key == "rules") entry.value = make_node(std::move(rules), entry.value);
  }
  recount(root);
  return make_node(std::move(root), document);
}

}  // namespace headgate::config
