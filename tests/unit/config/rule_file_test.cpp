// SPDX-License-Identifier: Apache-2.0
//
// Rule files of envoyproxy/ratelimit.
#include "daemon/config/rule_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::config {
namespace {

using testing::ElementsAre;

// Line 3 is the descriptor, whose first key begins at column 5.
std::string descriptor(const std::string& body) {
  return "domain: api\ndescriptors:\n  - " + body + "\n";
}

// Line 4 has the limit's map, at column 17.
std::string limit(const std::string& map) {
  return descriptor("key: user\n    rate_limit: " + map);
}

QuotaDomain parse_good(const std::string& text) {
  Result<QuotaDomain> domain = parse_rule_file(text, "f");
  EXPECT_TRUE(domain.has_value()) << domain.error().message << " in\n" << text;
  return domain ? *std::move(domain) : QuotaDomain{};
}

QuotaRule first_rule(const std::string& text) {
  const QuotaDomain domain = parse_good(text);
  return domain.descriptors.empty() ? QuotaRule{} : domain.descriptors.front();
}

QuotaLimit first_limit(const std::string& text) {
  return first_rule(text).limit.value_or(QuotaLimit{});
}

std::string message_of(const std::string& text) {
  const Result<QuotaDomain> domain = parse_rule_file(text, "f");
  if (domain) return "no error";
  EXPECT_EQ(domain.error().code, ErrorCode::kInvalidArgument);
  return domain.error().message;
}

TEST(RuleFile, AllOfTheServersKindsLoad) {
  int good = 0;
  int bad = 0;
  for (const auto& entry : std::filesystem::directory_iterator(HEADGATE_RATELIMIT_FILES)) {
    if (entry.path().extension() != ".yaml") continue;
    SCOPED_TRACE(entry.path());
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    const Result<QuotaDomain> domain = parse_rule_file(text.str(), "f");
    const bool is_good = entry.path().filename().string().starts_with("good_");
    ++(is_good ? good : bad);
    EXPECT_EQ(domain.has_value(), is_good) << (domain ? "" : domain.error().message);
  }
  EXPECT_GE(good, 5);
  EXPECT_GE(bad, 11);
}

TEST(RuleFile, SaysWhatTheTreeSays) {
  const QuotaDomain domain = parse_good(R"(
domain: api
descriptors:
  - key: path
    value: /login*
    rate_limit: { unit: minute, requests_per_unit: 10, name: login, replaces: [{ name: all }] }
    share_threshold: true
    descriptors:
      - key: user
        shadow_mode: true
        quota_mode: yes
        detailed_metric: True
        value_to_metric: on
        metadata: { team: payments, level: 3 }
)");
  EXPECT_EQ(domain.name, "api");
  EXPECT_EQ(domain.file, "f");
  EXPECT_EQ(domain.position.line, 2);
  EXPECT_FALSE(domain.check_all_then_commit);
  ASSERT_EQ(domain.descriptors.size(), 1U);
  const QuotaRule& path = domain.descriptors.front();
  EXPECT_EQ(path.key, "path");
  EXPECT_EQ(path.value, "/login*");
  EXPECT_TRUE(path.has_wildcard());
  EXPECT_TRUE(path.share_threshold);
  EXPECT_EQ(path.name, "login");
  EXPECT_THAT(path.replaces, ElementsAre("all"));
  EXPECT_EQ(path.position.line, 4);
  ASSERT_TRUE(path.limit.has_value());
  EXPECT_EQ(path.limit->algorithm, QuotaAlgorithm::kFixedWindow);
  EXPECT_EQ(path.limit->requests, 10U);
  EXPECT_EQ(path.limit->unit, QuotaUnit::kMinute);
  EXPECT_EQ(path.limit->per, std::chrono::minutes(1));
  ASSERT_EQ(path.descriptors.size(), 1U);
  const QuotaRule& user = path.descriptors.front();
  EXPECT_EQ(user.value, std::nullopt);
  EXPECT_EQ(user.limit, std::nullopt);
  EXPECT_TRUE(user.shadow_mode && user.quota_mode && user.detailed_metric && user.value_to_metric);
  EXPECT_EQ(user.metadata, R"({"team":"payments","level":3})");
}

TEST(RuleFile, UnitsInAnyCase) {
  struct Good {
    std::string word;
    QuotaUnit unit;
    std::chrono::hours at_least;
  };
  const Good cases[] = {{"Hour", QuotaUnit::kHour, std::chrono::hours(1)},
                        {"DAY", QuotaUnit::kDay, std::chrono::hours(24)},
                        {"week", QuotaUnit::kWeek, std::chrono::hours(24 * 7)},
                        {"mOnTh", QuotaUnit::kMonth, std::chrono::hours(24 * 30)},
                        {"'year'", QuotaUnit::kYear, std::chrono::hours(24 * 365)}};
  for (const Good& c : cases) {
    const QuotaLimit found = first_limit(limit("{ unit: " + c.word + ", requests_per_unit: 1 }"));
    EXPECT_EQ(found.unit, c.unit) << c.word;
    EXPECT_EQ(found.per, c.at_least) << c.word;
  }
}

TEST(RuleFile, RequestsAsThatServersYamlReadsThem) {
  const std::pair<std::string, std::uint32_t> cases[] = {
      {"", 0},
      {", requests_per_unit: 0", 0},
      {", requests_per_unit: ~", 0},
      {", requests_per_unit: 0x10", 16},
      {", requests_per_unit: 010", 8},
      {", requests_per_unit: 1_000", 1000},
      {", requests_per_unit: +7", 7},
      {", requests_per_unit: 4294967295", 4294967295U}};
  for (const auto& [text, requests] : cases) {
    EXPECT_EQ(first_limit(limit("{ unit: second" + text + " }")).requests, requests) << text;
  }
}

TEST(RuleFile, UnlimitedCountsNothing) {
  for (const std::string map :
       {"{ unlimited: true }", "{ unlimited: yes, requests_per_unit: 5 }",
        "{ unlimited: true, unit: '' }", "{ unlimited: true, unit: ~, name: free }"}) {
    const QuotaLimit found = first_limit(limit(map));
    EXPECT_TRUE(found.is_unlimited) << map;
    EXPECT_EQ(found.requests, 0U) << map;
    EXPECT_EQ(found.per.count(), 0) << map;
  }
}

TEST(RuleFile, TextMayLookLikeSomethingElse) {
  const std::pair<std::string, std::string> cases[] = {{"5", "5"},
                                                       {"yes", "yes"},
                                                       {"'1.5'", "1.5"},
                                                       {"10.0.0.1", "10.0.0.1"},
                                                       {"2030-01-01", "2030-01-01"},
                                                       {"2061234567", "2061234567"},
                                                       {"\"~\"", "~"}};
  for (const auto& [yaml, text] : cases) {
    EXPECT_EQ(first_rule(descriptor("key: " + yaml)).key, text);
    EXPECT_EQ(first_rule(descriptor("{ key: a, value: " + yaml + " }")).value, text);
  }
  EXPECT_EQ(parse_good("domain: 7").name, "7");
  for (const std::string empty : {"''", "~", "null", ""}) {
    EXPECT_EQ(first_rule(descriptor("{ key: a, value: " + empty + " }")).value, std::nullopt);
  }
}

TEST(RuleFile, NothingIsTheSameAsNotThere) {
  EXPECT_TRUE(parse_good("domain: api").descriptors.empty());
  EXPECT_TRUE(parse_good("domain: api\ndescriptors:\n").descriptors.empty());
  EXPECT_TRUE(parse_good("domain: api\ndescriptors: []\n").descriptors.empty());
  const QuotaRule rule = first_rule(descriptor(
      "{ key: a, rate_limit: ~, descriptors: ~, shadow_mode: ~, metadata: ~, quota_mode: no }"));
  EXPECT_EQ(rule.limit, std::nullopt);
  EXPECT_TRUE(rule.descriptors.empty());
  EXPECT_FALSE(rule.shadow_mode || rule.quota_mode);
  EXPECT_EQ(rule.metadata, "");
  EXPECT_TRUE(first_rule(limit("{ unit: day, replaces: ~, name: ~ }")).replaces.empty());
  EXPECT_EQ(first_rule(descriptor("{ key: a, metadata: {} }")).metadata, "");
}

// As deep as a document may be.
TEST(RuleFile, SixLevels) {
  const auto nested = [](int levels) {
    std::string text = "{ key: a, rate_limit: { unit: day } }";
    for (int i = 1; i < levels; ++i) text = "{ key: a, descriptors: [" + text + "] }";
    return descriptor(text);
  };
  EXPECT_TRUE(parse_rule_file(nested(6), "f").has_value());
  EXPECT_NE(message_of(nested(7)).find("nest too deeply"), std::string::npos);
}

// The same key once with and once without a value, or with another one, are two rules.
TEST(RuleFile, EntriesOfALevelDiffer) {
  EXPECT_EQ(parse_good(descriptor("key: a\n  - { key: a, value: b }\n  - { key: a, value: c }\n"
                                  "  - { key: b, descriptors: [{ key: a }] }"))
                .descriptors.size(),
            4U);
}

TEST(RuleFile, KeysThatStandInTheWrongPlaceAreNoted) {
  const QuotaDomain domain = parse_good(
      "domain: api\nshadow_mode: true\ndescriptors:\n"
      "  - { key: a, rate_limit: { unit: day, shadow_mode: true }, unit: x }\n");
  std::vector<std::string> found;
  for (const IgnoredKey& ignored : domain.ignored) {
    found.push_back(ignored.key + ":" + std::to_string(ignored.position.line) + ":" +
                    std::to_string(ignored.position.column));
  }
  std::sort(found.begin(), found.end());
  EXPECT_THAT(found, ElementsAre("shadow_mode:2:14", "shadow_mode:4:53", "unit:4:67"));
  EXPECT_FALSE(domain.descriptors.front().shadow_mode);
}

TEST(RuleFile, WhatIsWrong) {
  const std::string number =
      ", which is not whole; a whole number, or quotes around text, would be right";
  const std::string count = "; a whole number from 0 to 4294967295";
  const std::string units =
      "; 'second' or 'minute' or 'hour' or 'day' or 'week' or 'month' or 'year' would be right";
  const std::string text = "; text such as user would be right";
  const std::string map = "; a map of 'key: value' lines would be right";
  const std::string truth = "; 'true' or 'false' ";
  const std::pair<std::string, std::string> cases[] = {
      {"",
       "f:1:1: the file is empty; at least '{ domain: api, descriptors: [{ key: user, "
       "rate_limit: { unit: second, requests_per_unit: 5 } }] }' would be right"},
      {"[]", "f:1:1: this is a list" + map},
      {"descriptors: []",
       "f:1:1: 'domain' is missing from a rule file; 'domain: …' would be right"},
      {"domain: ''", "f:1:1: 'domain' is empty; a name would be right"},
      {"domain: ~", "f:1:1: 'domain' is empty; a name would be right"},
      {"domain: [a]", "f:1:10: this is 'a'; a map of 'key: value' would be right"},
      {"domain: {}", "f:1:9: 'domain' is a map; a name would be right"},
      {"domain: 1.5", "f:1:9: 'domain' is the number '1.5'" + number},
      {"domain: a\ndescriptors: {}",
       "f:2:14: 'descriptors' is a map; a list of '- ' items would be right"},
      {"domain: a\ndescriptors: b",
       "f:2:14: 'descriptors' is 'b'; a list of '- ' items would be right"},
      {descriptor("a"), "f:3:5: this is 'a'; a map of 'key: value' would be right"},
      {descriptor("~"), "f:3:5: this is empty; a map of 'key: value' would be right"},
      {descriptor("[key]"), "f:3:5: this is a list; a map of 'key: value' would be right"},
      {descriptor("value: a"),
       "f:3:5: 'key' is missing from a descriptor; 'key: …' would be right"},
      {descriptor("key: ''"), "f:3:10: 'key' is ''" + text},
      {descriptor("key: ~"), "f:3:10: 'key' is empty" + text},
      {descriptor("key: {}"), "f:3:10: 'key' is a map" + text},
      {descriptor("{ key: a, value: 1.10 }"), "f:3:22: 'value' is the number '1.10'" + number},
      {descriptor("{ key: a, value: .inf }"), "f:3:22: 'value' is the number '.inf'" + number},
      {descriptor("{ key: a, shadow_mode: 'true' }"),
       "f:3:28: 'shadow_mode' is 'true'" + truth + "without quotes would be right"},
      {descriptor("{ key: a, shadow_mode: 1 }"),
       "f:3:28: 'shadow_mode' is '1'; 'true' or 'false' would be right"},
      {descriptor("{ key: a, shadow_mode: 0.5 }"),
       "f:3:28: 'shadow_mode' is the number '0.5'" + number},
      {descriptor("{ key: a, metadata: b }"), "f:3:25: 'metadata' is 'b'; a map would be right"},
      {descriptor("key: a\n  - key: a"),
       "f:4:5: duplicate descriptor 'a', first at line 3; each once would be right"},
      {descriptor("{ key: a_b, value: c }\n  - { key: a, value: b_c }"),
       "f:4:5: duplicate descriptor 'a_b_c', first at line 3; each once would be right"},
      {descriptor("{ key: a_b }\n  - { key: a, value: b }"),
       "f:4:5: duplicate descriptor 'a_b', first at line 3; each once would be right"},
      {descriptor("{ key: a, descriptors: [{ key: b }, { key: b }] }"),
       "f:3:41: duplicate descriptor 'b', first at line 3; each once would be right"},
      {descriptor("{ key: a, share_threshold: true }"),
       "f:3:5: 'share_threshold' counts all values that match a wildcard as one, and the 'value' "
       "beside it has no '*'; a value such as '/api/*' would be right"},
      {limit("{}"), "f:4:17: 'unit' is missing from a rate limit; 'unit: second' would be right"},
      {limit("{ requests_per_unit: 5 }"),
       "f:4:17: 'unit' is missing from a rate limit; 'unit: second' would be right"},
      {limit("[]"), "f:4:17: 'rate_limit' is a list" + map},
      {limit("5/s"), "f:4:17: 'rate_limit' is '5/s'" + map},
      {limit("{ unit: fortnight }"), "f:4:25: 'rate_limit.unit' is 'fortnight'" + units},
      {limit("{ unit: unknown }"), "f:4:25: 'rate_limit.unit' is 'unknown'" + units},
      {limit("{ unit: 5 }"), "f:4:25: 'rate_limit.unit' is '5'" + units},
      {limit("{ unit: day, requests_per_unit: 1.5 }"),
       "f:4:49: 'rate_limit.requests_per_unit' is the number '1.5'" + number},
      {limit("{ unit: day, requests_per_unit: 1e3 }"),
       "f:4:49: 'rate_limit.requests_per_unit' is the number '1e3'" + number},
      {limit("{ unit: day, requests_per_unit: -1 }"),
       "f:4:49: 'rate_limit.requests_per_unit' is '-1'" + count + " would be right"},
      {limit("{ unit: day, requests_per_unit: 4294967296 }"),
       "f:4:49: 'rate_limit.requests_per_unit' is '4294967296'" + count + " would be right"},
      {limit("{ unit: day, requests_per_unit: '5' }"),
       "f:4:49: 'rate_limit.requests_per_unit' is '5'" + count + " without quotes would be right"},
      {limit("{ unit: day, requests_per_unit: many }"),
       "f:4:49: 'rate_limit.requests_per_unit' is 'many'" + count + " would be right"},
      {limit("{ unlimited: true, unit: day }"),
       "f:4:17: 'unit' beside 'unlimited: true' has no effect; one of them would be right"},
      {limit("{ unit: day, replaces: [a] }"),
       "f:4:41: this is 'a'; a map of 'key: value' would be right"},
      {limit("{ unit: day, replaces: {} }"),
       "f:4:40: 'rate_limit.replaces' is a map; a list of '- ' items would be right"},
      {limit("{ unit: day, replaces: [{}] }"),
       "f:4:41: 'replaces' has no name; '- name: …' would be right"},
      {limit("{ unit: day, replaces: [{ name: '' }] }"),
       "f:4:41: 'replaces' has no name; '- name: …' would be right"},
      {limit("{ unit: day, name: a, replaces: [{ name: b }, { name: a }] }"),
       "f:3:5: 'replaces' has the limit's own name, 'a'; the name of another limit would be right"},
      {"domain: a\n<<: 5",
       "f:2:5: what '<<' merges is not a map; an alias of a map such as '<<: "
       "*base' would be right"},
      {"domain: a\n---\ndomain: b", "f:2:1: a second document begins here; one would be right"},
      {"domain: !!str a",
       "f:1:9: tag 'tag:yaml.org,2002:str' is not supported; the value without "
       "it would be right"},
  };
  for (const auto& [yaml, message] : cases) EXPECT_EQ(message_of(yaml), message) << yaml;
}

TEST(RuleFile, UnknownKeysAtEveryLevel) {
  for (const std::string& yaml :
       {std::string("domain: a\ndomains: b"), descriptor("{ key: a, shadowmode: true }"),
        descriptor("{ key: a, algorithm: gcra }"), limit("{ unit: day, burst: 5 }"),
        limit("{ unit: day, unit_multiplier: 5 }"), limit("{ unit: day, replaces: [{ nam: a }] }"),
        std::string("0.25: a"), std::string("domain: a\n? [b]\n: c")}) {
    const std::string message = message_of(yaml);
    EXPECT_TRUE(message.find("unknown key") != std::string::npos ||
                message.find("a key here is not text") != std::string::npos)
        << message;
  }
  EXPECT_EQ(
      first_rule(descriptor("{ key: a, metadata: { anything: { at: [all, 1.5] } } }")).metadata,
      R"({"anything":{"at":["all",1.5]}})");
}

}  // namespace
}  // namespace headgate::config
