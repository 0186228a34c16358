// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "daemon/config/flatten_quotas.h"
#include "daemon/config/json_text.h"
#include "daemon/config/quota_readers.h"
#include "daemon/config/readers.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kMaxRequests = std::numeric_limits<std::uint32_t>::max();
constexpr std::chrono::milliseconds kShortestLease = 100ms;
constexpr std::chrono::milliseconds kLongestLease = 24h;

// The bounds of the two adaptive algorithms, as they were published.
struct Bounds {
  std::uint32_t floor;
  std::uint32_t ceiling;
};
constexpr Bounds kAutoBounds = {9, 1000};
constexpr Bounds kGradient2Bounds = {20, 200};

Result<void> read_replaces(const Value& list, std::vector<std::string>& into) {
  return read_list(list, [&](const Value& item) {
    return read_map(item, "what is replaced",
                    {{"name",
                      [&](const Value& v) {
                        return store(into.emplace_back(), v.text("the name of another limit"));
                      },
                      true}});
  });
}

std::vector<Field> name_fields(QuotaRule& into) {
  return {
      {"name", [&](const Value& v) { return store(into.name, v.text("a name such as by-user")); }},
      {"replaces", [&](const Value& v) { return read_replaces(v, into.replaces); }}};
}

bool has_key(const Value& map, std::string_view key) {
  return find_entry(map.content(), key) != nullptr;
}

Result<void> forbid(const Value& map, std::initializer_list<std::string_view> keys,
                    std::string_view beside) {
  for (const std::string_view key : keys) {
    if (!has_key(map, key)) continue;
    return map.fail("'" + std::string(key) + "' beside '" + std::string(beside) +
                    "' has no effect; one of them would be right");
  }
  return {};
}

// One of two ways to say it.
Result<void> require_one(const Value& map, std::string_view key, std::string_view other,
                         std::string_view example) {
  if (has_key(map, key) && has_key(map, other)) {
    return map.fail("'" + std::string(key) + "' and '" + std::string(other) +
                    "' say the same; one of them would be right");
  }
  if (has_key(map, key) || has_key(map, other)) return {};
  return map.fail("a rate limit has neither '" + std::string(key) + "' nor '" + std::string(other) +
                  "'; '" + std::string(example) + "' would be right");
}

// So that no time of the bucket overflows 64 bits of nanoseconds.
std::uint32_t largest_burst(const QuotaLimit& limit) {
  const double periods =
      std::chrono::duration<double>(kMaxQuotaRefill) / std::chrono::duration<double>(limit.per);
  return static_cast<std::uint32_t>(std::min<double>(kMaxRequests, periods * limit.requests));
}

Result<void> settle_gcra(const Value& map, QuotaLimit& limit) {
  if (!has_key(map, "burst")) {
    limit.burst = limit.requests;
    return {};
  }
  if (limit.requests == 0) {
    return map.fail(
        "'burst' beside 'requests: 0' has no effect; at least one request would be "
        "right");
  }
  const std::uint32_t largest = largest_burst(limit);
  if (limit.burst <= largest) return {};
  return map.fail("'burst' is " + std::to_string(limit.burst) +
                  ", the requests of more than 2 years; at most " + std::to_string(largest) +
                  " would be right");
}

Result<void> settle_rate_limit(const Value& map, QuotaLimit& limit) {
  if (limit.is_unlimited) {
    limit = QuotaLimit{};
    limit.is_unlimited = true;
    return forbid(map, {"algorithm", "requests", "requests_per_unit", "per", "unit", "burst"},
                  "unlimited: true");
  }
  Result<void> done = require_one(map, "requests", "requests_per_unit", "requests: 100");
  if (done) done = require_one(map, "per", "unit", "per: 30s");
  if (!done) return done;
  if (limit.unit != QuotaUnit::kUnknown) limit.per = period_of(limit.unit);
  limit.unit = unit_of(limit.per);
  return limit.algorithm == QuotaAlgorithm::kGcra
             ? settle_gcra(map, limit)
             : forbid(map, {"burst"}, "algorithm: fixed-window");
}

Result<void> read_rate_limit(const Value& value, QuotaRule& into) {
  QuotaLimit limit;
  limit.algorithm = QuotaAlgorithm::kGcra;
  const auto requests = [&](const Value& v) {
    return store(limit.requests, v.integer(0, kMaxRequests));
  };
  std::vector<Field> fields = {
      {"algorithm",
       [&](const Value& v) { return store(limit.algorithm, v.choice(kRateAlgorithms)); }},
      {"requests", requests},
      {"requests_per_unit", requests},
      {"per", [&](const Value& v) { return store(limit.per, v.duration(1ms, kMaxQuotaPeriod)); }},
      {"unit", [&](const Value& v) { return store(limit.unit, read_quota_unit(v)); }},
      {"burst", [&](const Value& v) { return store(limit.burst, v.integer(1, kMaxRequests)); }},
      {"unlimited", [&](const Value& v) { return store(limit.is_unlimited, v.truth()); }}};
  std::vector<Field> names = name_fields(into);
  fields.insert(fields.end(), names.begin(), names.end());
  Result<void> done = read_map(value, "a rate limit", fields);
  if (done) done = settle_rate_limit(value, limit);
  if (done) into.limit = limit;
  return done;
}

Result<void> settle_adaptive(const Value& map, QuotaLimit& limit) {
  const Bounds bounds = limit.algorithm == QuotaAlgorithm::kAuto ? kAutoBounds : kGradient2Bounds;
  const bool has_floor = has_key(map, "floor");
  const bool has_ceiling = has_key(map, "ceiling");
  if (has_floor && has_ceiling && limit.ceiling < limit.floor) {
    return map.fail("'ceiling' is " + std::to_string(limit.ceiling) +
                    ", less than 'floor', which is " + std::to_string(limit.floor) + "; at least " +
                    std::to_string(limit.floor) + " would be right");
  }
  if (!has_floor) limit.floor = has_ceiling ? std::min(bounds.floor, limit.ceiling) : bounds.floor;
  if (!has_ceiling) limit.ceiling = std::max(bounds.ceiling, limit.floor);
  return forbid(map, {"limit"},
                "algorithm: " + std::string(word_for(kConcurrencyAlgorithms, limit.algorithm)));
}

Result<void> settle_concurrency(const Value& map, QuotaLimit& limit) {
  if (limit.algorithm != QuotaAlgorithm::kConcurrency) return settle_adaptive(map, limit);
  if (!has_key(map, "limit")) {
    return map.fail(
        "a fixed limit of concurrency has no 'limit'; 'limit: 10', or 'algorithm: "
        "auto', would be right");
  }
  return forbid(map, {"floor", "ceiling"}, "algorithm: fixed");
}

Result<void> read_concurrency(const Value& value, QuotaRule& into) {
  QuotaLimit limit;
  limit.algorithm = QuotaAlgorithm::kConcurrency;
  const auto bound = [](std::uint32_t& to, std::uint32_t least) {
    return [&to, least](const Value& v) { return store(to, v.integer(least, kMaxConcurrency)); };
  };
  std::vector<Field> fields = {
      {"algorithm",
       [&](const Value& v) { return store(limit.algorithm, v.choice(kConcurrencyAlgorithms)); }},
      {"limit", bound(limit.requests, 0)},
      {"floor", bound(limit.floor, 1)},
      {"ceiling", bound(limit.ceiling, 1)},
      {"lease_ttl", [&](const Value& v) {
         return store(limit.lease_ttl, v.duration(kShortestLease, kLongestLease));
       }}};
  std::vector<Field> names = name_fields(into);
  fields.insert(fields.end(), names.begin(), names.end());
  Result<void> done = read_map(value, "a limit of concurrency", fields);
  if (done) done = settle_concurrency(value, limit);
  if (done) into.limit = limit;
  return done;
}

Result<void> read_metadata(const Value& value, std::string& into) {
  if (value.content().kind != NodeKind::kMap) {
    return value.fail_expecting("a map such as { team: payments }");
  }
  if (!value.content().entries.empty()) into = to_json(value.node());
  return {};
}

std::vector<Field> rule_fields(QuotaRule& into) {
  const auto truth = [](bool& to) {
    return [&to](const Value& v) { return store(to, v.truth()); };
  };
  return {
      {"key", [&](const Value& v) { return store(into.key, v.text("text such as user")); }, true},
      {"value", [&](const Value& v) { return store(into.value, v.text("text such as alice")); }},
      {"rate_limit", [&](const Value& v) { return read_rate_limit(v, into); }},
      {"concurrency", [&](const Value& v) { return read_concurrency(v, into); }},
      {"penalty", [&](const Value& v) { return read_penalty(v, into.penalty); }},
      {"shadow_mode", truth(into.shadow_mode)},
      {"quota_mode", truth(into.quota_mode)},
      {"detailed_metric", truth(into.detailed_metric)},
      {"value_to_metric", truth(into.value_to_metric)},
      {"share_threshold", truth(into.share_threshold)},
      {"metadata", [&](const Value& v) { return read_metadata(v, into.metadata); }},
      {"descriptors", [&](const Value& v) { return read_quota_rules(v, into.descriptors); }}};
}

Result<void> read_rule(const Value& map, QuotaRule& into) {
  into.position = map.position();
  Result<void> done = read_map(map, "a descriptor", rule_fields(into));
  if (done) done = check_quota_rule(into, map);
  if (!done || !has_key(map, "rate_limit") || !has_key(map, "concurrency")) return done;
  return map.fail(
      "'rate_limit' and 'concurrency' are two limits of one descriptor; one of them "
      "would be right");
}

}  // namespace

Result<void> read_quota_rules(const Value& value, std::vector<QuotaRule>& into) {
  DistinctNames entries;
  return read_list(value, [&](const Value& item) -> Result<void> {
    const Value map(item.file(), "", item.node());
    QuotaRule rule;
    Result<void> done = read_rule(map, rule);
    if (done) done = entries.add(map, "descriptor", entry_text(rule));
    if (done) into.push_back(std::move(rule));
    return done;
  });
}

}  // namespace headgate::config
