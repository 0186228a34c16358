// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/rule_file.h"

#include <algorithm>
#include <limits>

#include "daemon/config/document.h"
#include "daemon/config/error.h"
#include "daemon/config/json_text.h"
#include "daemon/config/merge_keys.h"
#include "daemon/config/quota_readers.h"
#include "daemon/config/readers.h"
#include "daemon/config/yaml11.h"

namespace headgate::config {
namespace {

constexpr std::string_view kMinimalRules =
    "{ domain: api, descriptors: [{ key: user, rate_limit: { unit: second, requests_per_unit: 5 } "
    "}] }";

// That server knows these keys, wherever they stand; each map has a meaning for some.
constexpr std::string_view kKeys[] = {"domain",
                                      "key",
                                      "value",
                                      "descriptors",
                                      "rate_limit",
                                      "unit",
                                      "requests_per_unit",
                                      "unlimited",
                                      "shadow_mode",
                                      "quota_mode",
                                      "name",
                                      "replaces",
                                      "detailed_metric",
                                      "value_to_metric",
                                      "share_threshold",
                                      "metadata"};
constexpr std::string_view kMetadata = "metadata";

bool is_null(const Value& value) {
  return value.content().kind == NodeKind::kEmpty;
}

// Of text or nothing; numbers without quotes and words are text here, as they are written.
Result<std::string> read_text(const Value& value, std::string_view expected) {
  if (is_null(value)) return std::string();
  if (value.content().kind != NodeKind::kScalar) return value.fail_expecting(expected);
  return value.content().text;
}

Result<bool> read_truth(const Value& value) {
  if (is_null(value)) return false;
  if (value.content().kind == NodeKind::kScalar && value.content().plain) {
    if (const std::optional<bool> truth = yaml11_truth(value.content().text)) return *truth;
  }
  return value.truth();  // which says what would be right
}

Result<std::uint32_t> read_requests(const Value& value) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (is_null(value)) return 0U;
  if (value.content().kind == NodeKind::kScalar && value.content().plain) {
    const std::optional<std::int64_t> number = yaml11_integer(value.content().text);
    if (number && *number >= 0 && *number <= kMost) return static_cast<std::uint32_t>(*number);
  }
  return value.integer(0, kMost);
}

// What that server checks before it asks what a value is for.
Result<void> check_values(const Value& map);

Result<void> check_value(const Value& value) {
  const Content& content = value.content();
  if (content.kind == NodeKind::kScalar && content.plain && is_yaml11_float(content.text)) {
    return value.fail("'" + value.name() + "' is the number " + quote(content.text) +
                      ", which is not whole; a whole number, or quotes around text, would be "
                      "right");
  }
  if (content.kind == NodeKind::kMap) return check_values(value);
  if (content.kind != NodeKind::kList) return {};
  return read_list(value, [](const Value& list_item) {
    const Value item(list_item.file(), "", list_item.node());
    return item.content().kind == NodeKind::kMap ? check_values(item)
                                                 : item.fail_expecting("a map of 'key: value'");
  });
}

Result<void> check_values(const Value& map) {
  for (const Entry& entry : map.content().entries) {
    if (entry.key == kMetadata) continue;
    Result<void> done = check_value(map.child(entry.key, entry.value));
    if (!done) return done;
  }
  return {};
}

class Reader {
 public:
  explicit Reader(QuotaDomain& into) : domain_(into) {}

  Result<void> read(const Value& root) {
    Result<void> done = read_level(
        root, "a rule file",
        {{"domain",
          [&](const Value& v) {
            domain_.position = v.position();
            return store(domain_.name, read_text(v, "a name"));
          },
          true},
         {"descriptors", [&](const Value& v) { return read_rules(v, domain_.descriptors); }}});
    if (!done) return done;
    if (domain_.name.empty()) return root.fail("'domain' is empty; a name would be right");
    return {};
  }

 private:
  // Reads a map: keys that mean nothing here are noted, keys that mean nothing anywhere refused.
  Result<void> read_level(const Value& map, std::string_view what, std::vector<Field> fields) {
    const std::size_t meant = fields.size();
    for (const std::string_view key : kKeys) {
      const auto end = fields.begin() + static_cast<std::ptrdiff_t>(meant);
      const bool is_meant =
          std::any_of(fields.begin(), end, [&](const Field& field) { return field.key == key; });
      if (is_meant) continue;
      fields.push_back({key, [this, key](const Value& v) -> Result<void> {
                          domain_.ignored.push_back({std::string(key), v.position()});
                          return {};
                        }});
    }
    return read_map(map, what, fields);
  }

  static Field truth_field(std::string_view key, bool& to) {
    return {key, [&to](const Value& v) { return store(to, read_truth(v)); }};
  }

  Result<void> read_rules(const Value& list, std::vector<QuotaRule>& into) {
    if (is_null(list)) return {};
    DistinctNames composite_keys;
    return read_list(list, [&](const Value& item) -> Result<void> {
      const Value map(item.file(), "", item.node());
      QuotaRule rule;
      Result<void> done = read_rule(map, rule);
      if (!done) return done;
      done =
          composite_keys.add(map, "descriptor", rule.key + (rule.value ? "_" + *rule.value : ""));
      if (!done) return done;
      into.push_back(std::move(rule));
      return {};
    });
  }

  Result<void> read_rule(const Value& map, QuotaRule& into) {
    into.position = map.position();
    Result<void> done = read_level(
        map, "a descriptor",
        {{"key", [&](const Value& v) { return read_key(v, into.key); }, true},
         {"value", [&](const Value& v) { return read_value(v, into.value); }},
         {"rate_limit", [&](const Value& v) { return read_limit(v, into); }},
         {"descriptors", [&](const Value& v) { return read_rules(v, into.descriptors); }},
         truth_field("shadow_mode", into.shadow_mode),
         truth_field("quota_mode", into.quota_mode),
         truth_field("detailed_metric", into.detailed_metric),
         truth_field("value_to_metric", into.value_to_metric),
         truth_field("share_threshold", into.share_threshold),
         {kMetadata, [&](const Value& v) { return read_metadata(v, into.metadata); }}});
    return done ? check_quota_rule(into, map) : done;
  }

  static Result<void> read_key(const Value& value, std::string& into) {
    constexpr std::string_view kExpected = "text such as user";
    Result<void> done = store(into, read_text(value, kExpected));
    return done && into.empty() ? value.fail_expecting(kExpected) : done;
  }

  static Result<void> read_value(const Value& value, std::optional<std::string>& into) {
    Result<std::string> text = read_text(value, "text such as alice");
    if (!text) return tl::unexpected(std::move(text).error());
    if (!text->empty()) into = *std::move(text);
    return {};
  }

  static Result<void> read_metadata(const Value& value, std::string& into) {
    if (is_null(value)) return {};
    if (value.content().kind != NodeKind::kMap) return value.fail_expecting("a map");
    if (!value.content().entries.empty()) into = to_json(value.node());
    return {};
  }

  Result<void> read_limit(const Value& value, QuotaRule& into) {
    if (is_null(value)) return {};
    QuotaLimit limit;
    bool has_unit = false;
    const auto read_unit = [&](const Value& v) -> Result<void> {
      has_unit = !is_null(v) && !v.is("");
      return has_unit ? store(limit.unit, read_quota_unit(v)) : Result<void>{};
    };
    Result<void> done = read_level(
        value, "a rate limit",
        {{"unit", read_unit},
         {"requests_per_unit",
          [&](const Value& v) { return store(limit.requests, read_requests(v)); }},
         truth_field("unlimited", limit.is_unlimited),
         {"name", [&](const Value& v) { return store(into.name, read_text(v, "a name")); }},
         {"replaces", [&](const Value& v) { return read_replaces(v, into.replaces); }}});
    if (!done) return done;
    if (limit.is_unlimited && has_unit) {
      return value.fail(
          "'unit' beside 'unlimited: true' has no effect; one of them would be right");
    }
    if (!limit.is_unlimited && !has_unit) {
      return value.fail("'unit' is missing from a rate limit; 'unit: second' would be right");
    }
    limit.per = period_of(limit.unit);
    if (limit.is_unlimited) limit.requests = 0;
    into.limit = limit;
    return {};
  }

  Result<void> read_replaces(const Value& list, std::vector<std::string>& into) {
    if (is_null(list)) return {};
    return read_list(list, [&](const Value& item) -> Result<void> {
      std::string name;
      Result<void> done = read_level(
          item, "what is replaced",
          {{"name", [&](const Value& v) { return store(name, read_text(v, "a name")); }}});
      if (!done) return done;
      if (name.empty()) return item.fail("'replaces' has no name; '- name: …' would be right");
      into.push_back(std::move(name));
      return {};
    });
  }

  QuotaDomain& domain_;
};

}  // namespace

Result<QuotaDomain> parse_rule_file(std::string_view text, const std::string& file) {
  Result<Node> document = parse_tree(text, file, kMinimalRules);
  if (document) document = expand_merge_keys(*document, file);
  if (!document) return tl::unexpected(std::move(document).error());
  const Value root(file, "", *document);
  QuotaDomain domain;
  domain.file = file;
  Result<void> done = check_values(root);
  if (done) done = Reader(domain).read(root);
  if (!done) return tl::unexpected(std::move(done).error());
  return domain;
}

}  // namespace headgate::config
