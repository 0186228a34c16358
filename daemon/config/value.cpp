// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/value.h"

#include <algorithm>
#include <optional>

#include "daemon/config/error.h"
#include "daemon/config/number.h"

namespace headgate::config {

using std::chrono::milliseconds;

Value Value::child(std::string_view key, const Node& node) const {
  const bool nested = !name_.empty() && !key.empty();
  return Value(*file_, name_ + (nested ? "." : "") + std::string(key), node);
}

namespace {

// A value from a setting has no place in the file.
tl::unexpected<Error> fail_for(const std::string& file, const Node& node, Position position,
                               std::string_view message) {
  if (node.origin == nullptr) return fail_at(file, position, message);
  return fail(ErrorCode::kInvalidArgument, *node.origin + ": " + std::string(message));
}

}  // namespace

tl::unexpected<Error> Value::fail(std::string_view message) const {
  return fail_for(*file_, *node_, position(), message);
}

tl::unexpected<Error> Value::fail_expecting(std::string_view expected) const {
  const std::string subject = name_.empty() ? "this" : "'" + name_ + "'";
  return fail(subject + " is " + describe() + "; " + std::string(expected) + " would be right");
}

std::string Value::describe() const {
  switch (content().kind) {
    case NodeKind::kEmpty:
      return "empty";
    case NodeKind::kList:
      return "a list";
    case NodeKind::kMap:
      return "a map";
    case NodeKind::kScalar:
      break;
  }
  return quote(content().text);
}

Result<std::string> Value::text(std::string_view expected) const {
  if (content().kind != NodeKind::kScalar || content().text.empty()) {
    return fail_expecting(expected);
  }
  return content().text;
}

Result<std::uint32_t> Value::integer(std::uint32_t low, std::uint32_t high,
                                     std::string_view alternative) const {
  if (content().kind == NodeKind::kScalar && content().plain) {
    const std::optional<std::uint64_t> number = parse_whole_number(content().text);
    if (number && low <= *number && *number <= high) return static_cast<std::uint32_t>(*number);
  }
  const bool only_quotes_are_wrong = content().kind == NodeKind::kScalar && !content().plain &&
                                     parse_whole_number(content().text).has_value();
  return fail_expecting("a whole number from " + std::to_string(low) + " to " +
                        std::to_string(high) + (only_quotes_are_wrong ? " without quotes" : "") +
                        std::string(alternative));
}

Result<double> Value::decimal(double high) const {
  if (content().kind == NodeKind::kScalar && content().plain) {
    const std::optional<double> number = parse_decimal(content().text);
    if (number && *number > 0 && *number <= high) return *number;
  }
  return fail_expecting("a number above 0, at most " + format_decimal(high) +
                        ", such as 50 or 0.5 without quotes");
}

Result<milliseconds> Value::duration(milliseconds low, milliseconds high) const {
  const std::string expected = "a time from " + format_duration(low) + " to " +
                               format_duration(high) +
                               " with its unit (ms, s, m, h or d) such as 10s";
  if (content().kind != NodeKind::kScalar) return fail_expecting(expected);
  const std::optional<milliseconds> time = parse_duration(content().text);
  if (!time || *time < low || *time > high) return fail_expecting(expected);
  return *time;
}

Result<std::string> Value::absolute_path(std::size_t max_bytes,
                                         std::initializer_list<std::string_view> words) const {
  std::string expected = "an absolute path";
  for (const std::string_view word : words) expected += " or '" + std::string(word) + "'";
  Result<std::string> path = text(expected);
  if (!path || std::find(words.begin(), words.end(), *path) != words.end()) return path;
  const bool printable = std::none_of(path->begin(), path->end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (path->front() != '/' || !printable) return fail_expecting(expected);
  if (path->size() > max_bytes) {
    return fail_expecting("a path of at most " + std::to_string(max_bytes) + " bytes");
  }
  return path;
}

Result<bool> Value::truth() const {
  const bool is_quoted = content().kind == NodeKind::kScalar && !content().plain;
  if (is_quoted) return fail_expecting("'true' or 'false' without quotes");
  return choice(kTruth);
}

Result<Prefix> Value::prefix() const {
  constexpr std::string_view kExpected =
      R"(an address such as 192.0.2.1 or a prefix such as 10.0.0.0/8 or "2001:db8::/32")";
  constexpr std::size_t kLongest = 64;  // more than any prefix needs
  if (content().kind != NodeKind::kScalar || content().text.size() > kLongest) {
    return fail_expecting(kExpected);
  }
  const std::string& text = content().text;
  Result<Prefix> prefix = Prefix::parse(text);
  if (prefix) return prefix;
  if (!IpAddress::parse(std::string_view(text).substr(0, text.find('/')))) {
    return fail_expecting(kExpected);
  }
  return fail(name_.empty() ? prefix.error().message
                            : "'" + name_ + "': " + prefix.error().message);
}

namespace {

// How many letters must be inserted, deleted or replaced to turn one word into the other
// (Levenshtein), row by row.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t column = 0; column < row.size(); ++column) row[column] = column;
  for (std::size_t line = 1; line <= from.size(); ++line) {
    std::size_t diagonal = std::exchange(row[0], line);
    for (std::size_t column = 1; column < row.size(); ++column) {
      const std::size_t replaced = diagonal + (from[line - 1] == to[column - 1] ? 0 : 1);
      diagonal =
          std::exchange(row[column], std::min({replaced, row[column] + 1, row[column - 1] + 1}));
    }
  }
  return row.back();
}

Result<void> check_key(const Value& map, std::string_view what, const Entry& entry,
                       const std::vector<Field>& fields) {
  constexpr std::size_t kFarthestSuggestion = 3;
  std::string known;
  std::string_view nearest;
  std::size_t nearest_distance = kFarthestSuggestion + 1;
  for (const Field& field : fields) {
    if (field.key == entry.key) return {};
    known += (known.empty() ? "" : ", ") + std::string(field.key);
    // A key much longer than every known one resembles none: no need to measure how little.
    if (entry.key.size() > field.key.size() + kFarthestSuggestion) continue;
    const std::size_t distance = edit_distance(entry.key, field.key);
    // More than half of the letters wrong is not a slip of the finger.
    if (distance < nearest_distance && distance * 2 <= field.key.size()) {
      nearest = field.key;
      nearest_distance = distance;
    }
  }
  if (entry.key == "<<") {
    return fail_for(
        map.file(), entry.value, entry.position,
        "merge keys ('<<') are not supported; settings under 'defaults' would be right");
  }
  std::string message = "unknown key " + quote(entry.key) + " in " + std::string(what);
  if (!nearest.empty()) message += "; did you mean '" + std::string(nearest) + "'?";
  return fail_for(map.file(), entry.value, entry.position,
                  message + (nearest.empty() ? "; known keys: " : " Known keys: ") + known);
}

}  // namespace

Result<void> read_map(const Value& map, std::string_view what, const std::vector<Field>& fields) {
  const Content& content = map.content();
  if (content.kind != NodeKind::kMap) return map.fail_expecting("a map of 'key: value' lines");
  for (const Entry& entry : content.entries) {
    if (Result<void> known = check_key(map, what, entry, fields); !known) return known;
  }
  for (const Field& field : fields) {
    if (const Entry* const entry = find_entry(content, field.key)) {
      Result<void> done = field.read(map.child(field.key, entry->value));
      if (!done) return done;
    } else if (field.required) {
      return map.fail("'" + std::string(field.key) + "' is missing from " + std::string(what) +
                      "; '" + std::string(field.key) + ": …' would be right");
    }
  }
  return {};
}

Result<void> read_list(const Value& list, const std::function<Result<void>(const Value&)>& read) {
  if (list.content().kind != NodeKind::kList) return list.fail_expecting("a list of '- ' items");
  for (const Node& item : list.content().items) {
    Result<void> done = read(list.child("", item));
    if (!done) return done;
  }
  return {};
}

}  // namespace headgate::config
