// SPDX-License-Identifier: Apache-2.0
//
// The descriptors of `quotas.domains`.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quota_cases.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using Algorithm = QuotaAlgorithm;

TEST(QuotaRules, AreATree) {
  const QuotaRule rule = first_rule(domain(R"(descriptors:
        - key: path
          value: "/login*"
          rate_limit: { requests: 5, per: 1s, name: login, replaces: [{ name: all }, { name: any }] }
          penalty: { after: 50, within: 10s, deny_for: 10m }
          share_threshold: true
          metadata: { team: payments }
          descriptors:
            - { key: user, shadow_mode: true, quota_mode: true, detailed_metric: true, value_to_metric: true })"));
  EXPECT_EQ(rule.key, "path");
  EXPECT_EQ(rule.value, "/login*");
  EXPECT_EQ(rule.name, "login");
  EXPECT_THAT(rule.replaces, ElementsAre("all", "any"));
  ASSERT_TRUE(rule.penalty.has_value());
  EXPECT_EQ(rule.penalty->after, 50U);
  EXPECT_EQ(rule.penalty->at_most, 24h);
  EXPECT_TRUE(rule.share_threshold);
  EXPECT_EQ(rule.metadata, R"({"team":"payments"})");
  EXPECT_EQ(rule.position.line, 6);
  ASSERT_EQ(rule.descriptors.size(), 1U);
  const QuotaRule& below = rule.descriptors.front();
  EXPECT_EQ(below.value, std::nullopt);
  EXPECT_EQ(below.limit, std::nullopt);
  EXPECT_TRUE(below.shadow_mode && below.quota_mode && below.detailed_metric &&
              below.value_to_metric);
  EXPECT_EQ(first_rule(descriptor("rate_limit: { requests: 1, per: 1s }, penalty: off")).penalty,
            std::nullopt);
}

TEST(QuotaRules, MayBeFiveLevelsDeep) {
  std::string text = "{ key: a, rate_limit: { requests: 1, per: 1s } }";
  for (int i = 1; i < 5; ++i) text = "{ key: a, descriptors: [" + text + "] }";
  parse_good(domain("descriptors: [" + text + "]"));
}

TEST(QuotaRules, LimitRates) {
  struct Good {
    std::string body;
    QuotaLimit limit;
  };
  const auto limit = [](Algorithm algorithm, std::uint32_t requests, std::chrono::milliseconds per,
                        QuotaUnit unit, std::uint32_t burst) {
    QuotaLimit made;
    made.algorithm = algorithm;
    made.requests = requests;
    made.per = per;
    made.unit = unit;
    made.burst = burst;
    return made;
  };
  QuotaLimit unlimited;
  unlimited.is_unlimited = true;
  const Good cases[] = {
      {"requests: 100, per: 30s", limit(Algorithm::kGcra, 100, 30s, QuotaUnit::kUnknown, 100)},
      {"requests: 100, per: 60s, burst: 200, algorithm: gcra",
       limit(Algorithm::kGcra, 100, 1min, QuotaUnit::kMinute, 200)},
      {"requests_per_unit: 100, unit: Minute",
       limit(Algorithm::kGcra, 100, 1min, QuotaUnit::kMinute, 100)},
      {"requests: 7, unit: week", limit(Algorithm::kGcra, 7, 168h, QuotaUnit::kWeek, 7)},
      {"requests_per_unit: 1, per: 1ms, burst: 1",
       limit(Algorithm::kGcra, 1, 1ms, QuotaUnit::kUnknown, 1)},
      {"algorithm: fixed-window, requests_per_unit: 10, unit: minute",
       limit(Algorithm::kFixedWindow, 10, 1min, QuotaUnit::kMinute, 0)},
      {"algorithm: fixed-window, requests: 10, per: 365d",
       limit(Algorithm::kFixedWindow, 10, 8760h, QuotaUnit::kYear, 0)},
      {"requests: 0, per: 1s", limit(Algorithm::kGcra, 0, 1s, QuotaUnit::kSecond, 0)},
      {"requests: 4294967295, per: 365d",
       limit(Algorithm::kGcra, 4294967295U, 8760h, QuotaUnit::kYear, 4294967295U)},
      {"requests: 1, per: 365d, burst: 2", limit(Algorithm::kGcra, 1, 8760h, QuotaUnit::kYear, 2)},
      {"unlimited: true", unlimited},
      {"requests: 1, per: 1s, unlimited: false",
       limit(Algorithm::kGcra, 1, 1s, QuotaUnit::kSecond, 1)},
  };
  for (const Good& c : cases) EXPECT_EQ(first_limit(rate_limit(c.body)), c.limit) << c.body;
}

TEST(QuotaRules, LimitConcurrency) {
  struct Good {
    std::string body;
    Algorithm algorithm;
    std::uint32_t requests;
    std::uint32_t floor;
    std::uint32_t ceiling;
    std::chrono::milliseconds lease_ttl;
  };
  const Good cases[] = {
      {"limit: 10", Algorithm::kConcurrency, 10, 0, 0, 0s},
      {"limit: 0, lease_ttl: 100ms, algorithm: fixed", Algorithm::kConcurrency, 0, 0, 0, 100ms},
      {"limit: 1000000, lease_ttl: 1d", Algorithm::kConcurrency, 1'000'000, 0, 0, 24h},
      {"algorithm: auto", Algorithm::kAuto, 0, 9, 1000, 0s},
      {"algorithm: auto, floor: 1, ceiling: 500, lease_ttl: 5s", Algorithm::kAuto, 0, 1, 500, 5s},
      {"algorithm: auto, ceiling: 5", Algorithm::kAuto, 0, 5, 5, 0s},
      {"algorithm: auto, floor: 2000", Algorithm::kAuto, 0, 2000, 2000, 0s},
      {"algorithm: gradient2", Algorithm::kGradient2, 0, 20, 200, 0s},
      {"algorithm: gradient2, floor: 30, ceiling: 30", Algorithm::kGradient2, 0, 30, 30, 0s},
  };
  for (const Good& c : cases) {
    SCOPED_TRACE(c.body);
    const QuotaLimit limit = first_limit(concurrency(c.body));
    EXPECT_EQ(limit.algorithm, c.algorithm);
    EXPECT_EQ(limit.requests, c.requests);
    EXPECT_EQ(limit.floor, c.floor);
    EXPECT_EQ(limit.ceiling, c.ceiling);
    EXPECT_EQ(limit.lease_ttl, c.lease_ttl);
  }
  EXPECT_EQ(first_rule(concurrency("limit: 1, name: a")).name, "a");
}

TEST(QuotaRules, ThatAreWrong) {
  const std::string text = "; text such as user would be right";
  expect_messages({
      {domain("descriptors: {}"),
       "f:5:20: 'descriptors' is a map; a list of '- ' items would be right"},
      {domain("descriptors: [a]"),
       "f:5:21: this is 'a'; a map of 'key: value' lines would be right"},
      {domain("descriptors: [{}]"),
       "f:5:21: 'key' is missing from a descriptor; 'key: …' would be right"},
      {domain("descriptors: [{ key: '' }]"), "f:5:28: 'key' is ''" + text},
      {descriptor("value: ''"), "f:5:41: 'value' is ''; text such as alice would be right"},
      {descriptor("shadow_mode: yes"),
       "f:5:47: 'shadow_mode' is 'yes'; 'true' or 'false' would be right"},
      {descriptor("metadata: a"),
       "f:5:44: 'metadata' is 'a'; a map such as { team: payments } would be right"},
      {descriptor("rate_limits: {}"),
       "f:5:34: unknown key 'rate_limits' in a descriptor; did you mean 'rate_limit'? Known keys: "
       "key, value, rate_limit, concurrency, penalty, shadow_mode, quota_mode, detailed_metric, "
       "value_to_metric, share_threshold, metadata, descriptors"},
      {descriptor("rate_limit: ~"),
       "f:5:46: 'rate_limit' is empty; a map of 'key: value' lines would be right"},
      {descriptor("share_threshold: true"),
       "f:5:21: 'share_threshold' counts all values that match a wildcard as one, and the 'value' "
       "beside it has no '*'; a value such as '/api/*' would be right"},
      {descriptor("penalty: { after: 5, within: 1s, deny_for: 1s }"),
       "f:5:21: 'penalty' needs a limit whose refusals it counts; 'rate_limit' or 'concurrency' "
       "beside it would be right"},
      {descriptor("rate_limit: { requests: 1, per: 1s }, penalty: { after: 0 }"),
       "f:5:90: 'penalty.after' is '0'; a whole number from 1 to 1000000 would be right"},
      {descriptor("rate_limit: { requests: 1, per: 1s }, concurrency: { limit: 1 }"),
       "f:5:21: 'rate_limit' and 'concurrency' are two limits of one descriptor; one of them would "
       "be right"},
      {domain("descriptors: [{ key: a }, { key: a, value: b }, { key: a }]"),
       "f:5:55: duplicate descriptor 'a', first at line 5; each once would be right"},
      {domain("descriptors: [{ key: a, value: b }, { key: a, value: b }]"),
       "f:5:43: duplicate descriptor 'a=b', first at line 5; each once would be right"},
      {descriptor("descriptors: [{ key: a }, { key: a }]"),
       "f:5:60: duplicate descriptor 'a', first at line 5; each once would be right"},
  });
  // Unlike in rule files, these are told apart.
  EXPECT_EQ(
      first_domain(domain("descriptors: [{ key: a_b }, { key: a, value: b }]")).descriptors.size(),
      2U);
}

TEST(QuotaRules, RatesThatAreWrong) {
  const std::string at = "f:5:46: ";
  const std::string one = " would be right";
  const std::string number = "; a whole number from 0 to 4294967295";
  const auto no_effect = [&](const std::string& key, const std::string& beside) {
    return at + "'" + key + "' beside '" + beside + "' has no effect; one of them would be right";
  };
  const auto same = [&](const std::string& key, const std::string& other) {
    return at + "'" + key + "' and '" + other + "' say the same; one of them would be right";
  };
  expect_messages({
      {rate_limit(""),
       at + "a rate limit has neither 'requests' nor 'requests_per_unit'; 'requests: 100'" + one},
      {rate_limit("requests: 5"),
       at + "a rate limit has neither 'per' nor 'unit'; 'per: 30s'" + one},
      {rate_limit("unit: day"),
       at + "a rate limit has neither 'requests' nor 'requests_per_unit'; 'requests: 100'" + one},
      {rate_limit("requests: 5, requests_per_unit: 5, per: 1s"),
       same("requests", "requests_per_unit")},
      {rate_limit("requests: 5, unit: day, per: 1s"), same("per", "unit")},
      {rate_limit("requests: -1"), "f:5:58: 'rate_limit.requests' is '-1'" + number + one},
      {rate_limit("requests: 4294967296"),
       "f:5:58: 'rate_limit.requests' is '4294967296'" + number + one},
      {rate_limit("requests: '5'"),
       "f:5:58: 'rate_limit.requests' is '5'" + number + " without quotes" + one},
      {rate_limit("requests: 5, per: 0s"),
       "f:5:66: 'rate_limit.per' is '0s'; a time from 1ms to 365d with its unit (ms, s, m, h or d) "
       "such as 10s would be right"},
      {rate_limit("requests: 5, per: 366d"),
       "f:5:66: 'rate_limit.per' is '366d'; a time from 1ms to 365d with its unit (ms, s, m, h or "
       "d) such as 10s would be right"},
      {rate_limit("requests: 5, unit: fortnight"),
       "f:5:67: 'rate_limit.unit' is 'fortnight'; 'second' or 'minute' or 'hour' or 'day' or "
       "'week' or 'month' or 'year' would be right"},
      {rate_limit("requests: 5, per: 1s, burst: 0"),
       "f:5:77: 'rate_limit.burst' is '0'; a whole number from 1 to 4294967295 would be right"},
      {rate_limit("requests: 0, per: 1s, burst: 1"),
       at + "'burst' beside 'requests: 0' has no effect; at least one request would be right"},
      {rate_limit("requests: 1, per: 365d, burst: 3"),
       at + "'burst' is 3, the requests of more than 2 years; at most 2 would be right"},
      {rate_limit("requests: 5, per: 1s, burst: 5, algorithm: fixed-window"),
       no_effect("burst", "algorithm: fixed-window")},
      {rate_limit("requests: 5, per: 1s, algorithm: auto"),
       "f:5:81: 'rate_limit.algorithm' is 'auto'; 'gcra' or 'fixed-window' would be right"},
      {rate_limit("unlimited: true, requests: 5"), no_effect("requests", "unlimited: true")},
      {rate_limit("unlimited: true, unit: day"), no_effect("unit", "unlimited: true")},
      {rate_limit("unlimited: true, burst: 5"), no_effect("burst", "unlimited: true")},
      {rate_limit("unlimited: true, algorithm: gcra"), no_effect("algorithm", "unlimited: true")},
      {rate_limit("requests: 1, per: 1s, name: ''"),
       "f:5:76: 'rate_limit.name' is ''; a name such as by-user would be right"},
      {rate_limit("requests: 1, per: 1s, replaces: [a]"),
       "f:5:81: 'rate_limit.replaces' is 'a'; a map of 'key: value' lines would be right"},
      {rate_limit("requests: 1, per: 1s, replaces: [{ name: '' }]"),
       "f:5:89: 'rate_limit.replaces.name' is ''; the name of another limit would be right"},
      {rate_limit("requests: 1, per: 1s, name: a, replaces: [{ name: a }]"),
       "f:5:21: 'replaces' has the limit's own name, 'a'; the name of another limit would be "
       "right"},
      {rate_limit("limit: 5"),
       "f:5:48: unknown key 'limit' in a rate limit; known keys: algorithm, "
       "requests, "
       "requests_per_unit, per, unit, burst, unlimited, name, replaces"},
  });
}

TEST(QuotaRules, ConcurrencyThatIsWrong) {
  const std::string at = "f:5:47: ";
  const auto no_effect = [&](const std::string& key, const std::string& beside) {
    return at + "'" + key + "' beside 'algorithm: " + beside +
           "' has no effect; one of them would be right";
  };
  const std::string time =
      "; a time from 100ms to 1d with its unit (ms, s, m, h or d) such as 10s would be right";
  expect_messages({
      {concurrency(""), at + "a fixed limit of concurrency has no 'limit'; 'limit: 10', or "
                             "'algorithm: auto', would be right"},
      {concurrency("limit: 1000001"),
       "f:5:56: 'concurrency.limit' is '1000001'; a whole number from 0 to 1000000 would be right"},
      {concurrency("limit: 5, floor: 1"), no_effect("floor", "fixed")},
      {concurrency("limit: 5, ceiling: 1"), no_effect("ceiling", "fixed")},
      {concurrency("limit: 5, algorithm: auto"), no_effect("limit", "auto")},
      {concurrency("limit: 5, algorithm: gradient2"), no_effect("limit", "gradient2")},
      {concurrency("algorithm: vegas"),
       "f:5:60: 'concurrency.algorithm' is 'vegas'; 'fixed' or 'auto' or 'gradient2' would be "
       "right"},
      {concurrency("algorithm: auto, floor: 0"),
       "f:5:73: 'concurrency.floor' is '0'; a whole number from 1 to 1000000 would be right"},
      {concurrency("algorithm: auto, ceiling: 1000001"),
       "f:5:75: 'concurrency.ceiling' is '1000001'; a whole number from 1 to 1000000 would be "
       "right"},
      {concurrency("algorithm: auto, floor: 10, ceiling: 9"),
       at + "'ceiling' is 9, less than 'floor', which is 10; at least 10 would be right"},
      {concurrency("limit: 5, lease_ttl: 99ms"),
       "f:5:70: 'concurrency.lease_ttl' is '99ms'" + time},
      {concurrency("limit: 5, lease_ttl: 2d"), "f:5:70: 'concurrency.lease_ttl' is '2d'" + time},
      {concurrency("limit: 5, lease_ttl: off"), "f:5:70: 'concurrency.lease_ttl' is 'off'" + time},
  });
}

}  // namespace
}  // namespace headgate::config
