// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "daemon/config/number.h"
#include "daemon/config/readers.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;
using Days = std::chrono::duration<std::int64_t, std::ratio<86'400>>;

constexpr Days kDay(1);
constexpr Days kLongestDenial(365);
constexpr std::uint32_t kMaxAfter = 1'000'000;
constexpr std::uint32_t kMaxGrow = 100;

Result<RateLimit> read_rate(const Value& value, std::string_view expected) {
  if (value.content().kind == NodeKind::kScalar) {
    if (const std::optional<RateLimit> rate = parse_rate(value.content().text)) return *rate;
  }
  return value.fail_expecting(expected);
}

Result<void> read_reserve(const Value& value, ConnectionLimits& into) {
  Result<void> done = store(into.reserve, value.integer(0, kMaxConnections));
  if (!done) return done;
  if (!into.total) {
    return value.fail(
        "'connections.reserve' keeps connections of 'connections.total', which has no limit; "
        "'total' beside it would be right");
  }
  if (into.reserve > *into.total) {
    return value.fail("'connections.reserve' is " + std::to_string(into.reserve) +
                      ", more than 'connections.total'; a whole number from 0 to " +
                      std::to_string(*into.total) + " would be right");
  }
  return {};
}

}  // namespace

Result<std::optional<std::uint32_t>> read_connection_limit(const Value& value) {
  if (value.is(kUnlimited)) return std::nullopt;
  const Result<std::uint32_t> limit = value.integer(0, kMaxConnections, " or 'unlimited'");
  if (!limit) return tl::unexpected(limit.error());
  return *limit;
}

Result<std::optional<RateLimit>> read_rate_limit(const Value& value) {
  constexpr std::string_view kExpected =
      "a rate from 1/h to 1000000/s such as 50/s, { rate: 50/s, burst: 100 } or 'unlimited'";
  if (value.is(kUnlimited)) return std::nullopt;
  if (value.content().kind != NodeKind::kMap) return read_rate(value, kExpected);
  RateLimit limit;
  Result<void> done = read_map(
      value, value.name(),
      {{"rate",
        [&](const Value& v) {
          return store(limit, read_rate(v, "a rate from 1/h to 1000000/s such as 50/s"));
        },
        true},
       {"burst", [&](const Value& v) { return store(limit.burst, v.integer(1, kMaxBurst)); }}});
  if (!done) return tl::unexpected(std::move(done).error());
  return limit;
}

Result<void> read_connections(const Value& value, ConnectionLimits& into) {
  const auto limit = [](std::optional<std::uint32_t>& to) {
    return [&to](const Value& v) { return store(to, read_connection_limit(v)); };
  };
  return read_map(value, value.name(),
                  {{"per_client", limit(into.per_client)},
                   {"per_network", limit(into.per_network)},
                   {"total", limit(into.total)},
                   {"reserve", [&](const Value& v) { return read_reserve(v, into); }}});
}

Result<void> read_new_connections(const Value& value, NewConnectionLimits& into) {
  const auto limit = [](std::optional<RateLimit>& to) {
    return [&to](const Value& v) { return store(to, read_rate_limit(v)); };
  };
  return read_map(value, value.name(),
                  {{"per_client", limit(into.per_client)},
                   {"per_network", limit(into.per_network)},
                   {"total", limit(into.total)}});
}

Result<void> read_penalty(const Value& value, std::optional<Penalty>& into) {
  if (value.is(kOff)) {
    into.reset();
    return {};
  }
  if (value.content().kind != NodeKind::kMap) {
    return value.fail_expecting("{ after: 100, within: 10s, deny_for: 10m } or off");
  }
  Penalty penalty;
  bool has_at_most = false;
  Result<void> done = read_map(
      value, value.name(),
      {{"after", [&](const Value& v) { return store(penalty.after, v.integer(1, kMaxAfter)); },
        true},
       {"within", [&](const Value& v) { return store(penalty.within, v.duration(1s, 1h)); }, true},
       {"deny_for",
        [&](const Value& v) { return store(penalty.deny_for, v.duration(1s, kLongestDenial)); },
        true},
       {"grow", [&](const Value& v) { return store(penalty.grow, v.integer(1, kMaxGrow)); }},
       {"at_most", [&](const Value& v) {
          has_at_most = true;
          return store(penalty.at_most, v.duration(penalty.deny_for, kLongestDenial));
        }}});
  if (!done) return done;
  if (!has_at_most) penalty.at_most = std::max<std::chrono::milliseconds>(penalty.deny_for, kDay);
  into = penalty;
  return {};
}

}  // namespace headgate::config
