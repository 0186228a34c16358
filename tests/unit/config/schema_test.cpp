// SPDX-License-Identifier: Apache-2.0
//
// docs/headgate.schema.json says what the parser does: the same keys at every level, the same
// defaults, the same bounds.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cases.h"
#include "daemon/config/difference.h"

namespace headgate::config {
namespace {

using nlohmann::json;

std::filesystem::path schema_path() {
  return std::filesystem::path(HEADGATE_EXAMPLE_CONFIG).parent_path().parent_path() /
         "headgate.schema.json";
}

const json& schema() {
  static const json parsed = json::parse(std::ifstream(schema_path()));
  return parsed;
}

// A place where a map of the schema stands in a configuration: what comes before and after its
// contents, and what its other keys need.
struct Level {
  std::string before;
  std::string after;
  std::map<std::string, std::string> others;
};

const std::string kRule = "rules: [{ name: web, listen: 443, ";
const std::string kOverride = kRule + "overrides: [{ clients: 10.0.0.0/8, ";
const std::string kDomain = "rules: [], quotas: { domains: [{ domain: api, ";
const std::string kDescriptor = kDomain + "descriptors: [{ key: a, ";
const std::string kWideClient = "client_prefix: { ipv4: 32, ipv6: 128 }, ";

// By JSON pointer. A level that is missing here fails the test below.
const std::map<std::string, Level> kLevels = {
    {"", {"", "", {{"rules", "[]"}}}},
    {"/properties/clients", {"rules: [], clients: { ", " }", {}}},
    {"/properties/tables", {"rules: [], tables: { ", " }", {}}},
    {"/properties/metrics", {"rules: [], metrics: { ", " }", {}}},
    {"/properties/control", {"rules: [], control: { ", " }", {}}},
    {"/properties/replies", {"rules: [], replies: { ", " }", {}}},
    {"/properties/reload", {"rules: [], reload: { ", " }", {}}},
    {"/properties/xdp", {"rules: [], xdp: { ", " }", {}}},
    {"/$defs/xdp_interface", {"rules: [], xdp: { interfaces: [{ ", " }] }", {{"name", "eth0"}}}},
    {"/properties/quotas", {"rules: [], quotas: { ", " }", {}}},
    {"/properties/quotas/properties/grpc",
     {"rules: [], quotas: { grpc: { ", " } }", {{"listen", "'[::1]:1'"}}}},
    {"/properties/quotas/properties/grpc/properties/tls",
     {"rules: [], quotas: { grpc: { listen: '[::1]:1', tls: { ",
      " } } }",
      {{"certificate", "/c"}, {"key", "/k"}}}},
    {"/properties/quotas/properties/memory",
     {"rules: [], quotas: { memory: { ", " } }", {{"socket", "/a"}}}},
    {"/properties/quotas/properties/http",
     {"rules: [], quotas: { http: { ", " } }", {{"listen", "'[::1]:1'"}}}},
    {"/$defs/quota_domain", {"rules: [], quotas: { domains: [{ ", " }] }", {{"domain", "api"}}}},
    {"/$defs/quota_rule",
     {kDomain + "descriptors: [{ ",
      " }] }] }",
      {{"key", "a"}, {"rate_limit", "{ requests: 1, per: 1s }"}}}},
    {"/$defs/quota_rate_limit",
     {kDescriptor + "rate_limit: { ", " } }] }] }", {{"requests", "4294967295"}, {"per", "1s"}}}},
    {"/$defs/quota_concurrency",
     {kDescriptor + "concurrency: { ", " } }] }] }", {{"algorithm", "auto"}}}},
    {"/$defs/quota_replaced",
     {kDescriptor + "concurrency: { limit: 1, replaces: [{ ", " }] } }] }] }", {{"name", "b"}}}},
    {"/$defs/client_quota",
     {kDomain + "clients: [{ ", " }] }] }", {{"user", "a"}, {"time_percent", "5"}}}},
    {"/$defs/rule", {"rules: [{ ", " }]", {{"name", "web"}, {"listen", "443"}}}},
    {"/$defs/rule/properties/connections",
     {kRule + "connections: { ", " } }]", {{"total", "1000000000"}}}},
    {"/$defs/rule/properties/new_connections", {kRule + "new_connections: { ", " } }]", {}}},
    {"/$defs/listen_group", {"rules: [{ name: web, listen: [443, { ", " }] }]", {}}},
    {"/$defs/settings", {"rules: [], defaults: { ", " }", {}}},
    {"/$defs/client_prefix", {kRule + "client_prefix: { ", " } }]", {}}},
    {"/$defs/network_prefix", {kRule + kWideClient + "network_prefix: { ", " } }]", {}}},
    {"/$defs/reply/anyOf/1", {kRule + "on_limit: reply, reply: { ", " } }]", {{"raw", "x"}}}},
    {"/$defs/penalty/anyOf/0",
     {kRule + "penalty: { ", " } }]", {{"after", "1"}, {"within", "1s"}, {"deny_for", "1s"}}}},
    {"/$defs/override",
     {kRule + "overrides: [{ ",
      " }] }]",
      {{"clients", "10.0.0.0/8"}, {"connections", "{ per_client: 5 }"}}}},
    {"/$defs/override/properties/connections", {kOverride + "connections: { ", " } }] }]", {}}},
    {"/$defs/override/properties/new_connections",
     {kOverride + "new_connections: { ", " } }] }]", {}}},
    {"/$defs/deny", {"rules: [], clients: { deny: [{ ", " }] }", {{"cidr", "10.0.0.1"}}}},
    {"/$defs/rate_limit/anyOf/2",
     {kRule + "new_connections: { per_client: { ", " } } }]", {{"rate", "5/s"}}}},
};

// What has to stand beside a key at its level.
std::map<std::string, std::string> others(const Level& level, const std::string& key,
                                          const std::string& value) {
  std::map<std::string, std::string> found = level.others;
  found.erase(key);
  // Of two ways to say it, or two things that exclude each other, one.
  const std::map<std::string, std::string> excluded = {{"requests_per_unit", "requests"},
                                                       {"unit", "per"},
                                                       {"limit", "algorithm"},
                                                       {"concurrency", "rate_limit"}};
  if (excluded.contains(key)) found.erase(excluded.at(key));
  const bool is_of_concurrency = key == "algorithm" && found.empty();
  if (is_of_concurrency && (value.empty() || value == "\"fixed\"")) found["limit"] = "1";
  return found;
}

// A configuration with this key and value at a level; without the key if the value is empty.
std::string document(const Level& level, const std::string& key, const std::string& value) {
  std::string body;
  for (const auto& [other, text] : others(level, key, value)) body += other + ": " + text + ", ";
  if (!value.empty()) body += key + ": " + value + ", ";
  // A reply needs its partner, and an exempt override has no limits.
  if (key == "reply" && !value.empty()) body += "on_limit: reply, ";
  if (!body.empty()) body.resize(body.size() - 2);
  return "{ " + level.before + body + level.after + " }";
}

json resolved(const json& node) {
  if (!node.contains("$ref")) return node;
  json target =
      resolved(schema().at(json::json_pointer(node["$ref"].get<std::string>().substr(1))));
  target.update(node);
  return target;
}

std::set<std::string> all_levels(const json& node, const std::string& pointer) {
  std::set<std::string> found;
  if (node.is_object() && node.contains("additionalProperties")) found.insert(pointer);
  for (const auto& [key, child] : node.items()) {
    if (child.is_structured()) found.merge(all_levels(child, pointer + "/" + key));
  }
  return found;
}

// Calls `check(level, key, node)` for each key of each level.
template <typename Check>
void for_each_key(const Check& check) {
  for (const auto& [pointer, level] : kLevels) {
    for (const auto& [key, node] :
         schema().at(json::json_pointer(pointer)).at("properties").items()) {
      SCOPED_TRACE(pointer + " " + key);
      check(level, key, resolved(node));
    }
  }
}

TEST(Schema, EveryLevelIsCheckedAndClosed) {
  std::set<std::string> known;
  for (const auto& [pointer, level] : kLevels) known.insert(pointer);
  EXPECT_EQ(all_levels(schema(), ""), known);
  for (const std::string& pointer : known) {
    const json& node = schema().at(json::json_pointer(pointer));
    EXPECT_EQ(node.at("additionalProperties"), false) << pointer;
    EXPECT_EQ(node.at("type"), "object") << pointer;
  }
}

TEST(Schema, HasTheKeysThatTheParserKnows) {
  for (const auto& [pointer, level] : kLevels) {
    SCOPED_TRACE(pointer);
    const Result<Config> config = parse(document(level, "qqqqqqqqqqqq", "1"), "f");
    ASSERT_FALSE(config.has_value());
    const std::string& message = config.error().message;
    const std::string mark = "known keys: ";
    ASSERT_NE(message.find(mark), std::string::npos) << message;
    std::string expected;
    std::set<std::string> keys;
    for (const auto& [key, node] : schema().at(json::json_pointer(pointer))["properties"].items()) {
      keys.insert(key);
    }
    std::set<std::string> known;
    std::istringstream list(message.substr(message.find(mark) + mark.size()));
    for (std::string key; std::getline(list >> std::ws, key, ',');) known.insert(key);
    EXPECT_EQ(known, keys);
  }
}

TEST(Schema, RequiresWhatTheParserRequires) {
  for (const auto& [pointer, level] : kLevels) {
    const json& node = schema().at(json::json_pointer(pointer));
    const json required = node.value("required", json::array());
    for (const auto& [key, child] : node["properties"].items()) {
      SCOPED_TRACE(pointer + " " + key);
      const Result<Config> config = parse(document(level, key, ""), "f");
      const bool missing =
          !config && config.error().message.find("'" + key + "' is missing") != std::string::npos;
      EXPECT_EQ(missing, std::find(required.begin(), required.end(), key) != required.end())
          << (config ? "" : config.error().message);
    }
  }
}

TEST(Schema, HasTheDefaultsOfTheParser) {
  int checked = 0;
  for_each_key([&](const Level& level, const std::string& key, const json& node) {
    if (!node.contains("default")) return;
    ++checked;
    const Config without = parse_good(document(level, key, ""));
    const Config with = parse_good(document(level, key, node["default"].dump()));
    std::string changes;
    for (const Change& change : difference(without, with)) changes += to_string(change) + "\n";
    EXPECT_EQ(changes, "");
  });
  EXPECT_GE(checked, 30);
}

TEST(Schema, HasExamplesThatTheParserTakes) {
  int checked = 0;
  for_each_key([&](const Level& level, const std::string& key, const json& node) {
    for (const json& example : node.value("examples", json::array())) {
      ++checked;
      parse_good(document(level, key, example.dump()));
    }
    for (const json& word : node.value("enum", json::array())) {
      ++checked;
      const bool alone = key != "on_limit" || word != "reply";
      parse_good(document(level, key, word.dump() + (alone ? "" : ", reply: redis")));
    }
  });
  EXPECT_GE(checked, 60);
}

TEST(Schema, HasTheWordsOfTheParser) {
  int checked = 0;
  for_each_key([&](const Level& level, const std::string& key, const json& node) {
    const json words = key == "reply" ? node["anyOf"][0]["enum"] : node.value("enum", json());
    if (words.is_null()) return;
    ++checked;
    const Result<Config> config = parse(document(level, key, "qqq"), "f");
    ASSERT_FALSE(config.has_value());
    std::string known = config.error().message;
    known = known.substr(known.find("'qqq'; ") + 7);
    std::string expected;
    for (const json& word : words) {
      expected += (expected.empty() ? "'" : " or '") + word.get<std::string>() + "'";
    }
    if (key == "reply") expected += " or { raw: \"…\" }";
    EXPECT_EQ(known, expected + " would be right");
  });
  EXPECT_GE(checked, 11);
}

// The bounds themselves are taken, and what is one beyond is not.
TEST(Schema, HasTheBoundsOfTheParser) {
  int checked = 0;
  const auto is_taken = [](const Level& level, const std::string& key, const std::string& value) {
    return parse(document(level, key, value), "f").has_value();
  };
  for_each_key([&](const Level& level, const std::string& key, const json& node) {
    const json& bounds = node.contains("anyOf") ? node["anyOf"][0] : node;
    if (!bounds.contains("minimum") || key == "listen") return;
    ++checked;
    const auto low = bounds["minimum"].get<long>();
    const auto high = bounds["maximum"].get<long>();
    EXPECT_TRUE(is_taken(level, key, std::to_string(low)));
    EXPECT_TRUE(is_taken(level, key, std::to_string(high)));
    EXPECT_FALSE(is_taken(level, key, std::to_string(low - 1)));
    EXPECT_FALSE(is_taken(level, key, std::to_string(high + 1)));
  });
  EXPECT_GE(checked, 18);
}

TEST(Schema, HasTheRangesOfTimesAndRates) {
  int checked = 0;
  for_each_key([&](const Level& level, const std::string& key, const json& node) {
    const std::string range = node.value("x-range", "");
    std::smatch ends;
    const std::regex form("([0-9]+)(ms|s|m|h|d|/s|/h) to ([0-9]+)(ms|s|m|h|d|/s|/h).*");
    if (!std::regex_match(range, ends, form)) return;
    ++checked;
    const auto is_taken = [&](long number, const std::string& unit) {
      return parse(document(level, key, std::to_string(number) + unit), "f").has_value();
    };
    EXPECT_TRUE(is_taken(std::stol(ends[1]), ends[2]));
    EXPECT_FALSE(is_taken(std::stol(ends[1]) - 1, ends[2]));
    EXPECT_TRUE(is_taken(std::stol(ends[3]), ends[4]));
    EXPECT_FALSE(is_taken(std::stol(ends[3]) + 1, ends[4]));
  });
  EXPECT_GE(checked, 8);
}

TEST(Schema, ExplainsEveryKey) {
  for_each_key([](const Level& /*level*/, const std::string& /*key*/, const json& node) {
    const std::string text = node.value("description", "");
    EXPECT_TRUE(text.ends_with('.')) << text;
    EXPECT_EQ(text.find('|'), std::string::npos) << "breaks the table in the documentation";
  });
}

}  // namespace
}  // namespace headgate::config
