// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/readers.h"

namespace headgate::config {
namespace {

Result<void> read_override_clients(const Value& value, DistinctPrefixes& distinct, Override& into) {
  const auto read_one = [&](const Value& item) -> Result<void> {
    const Result<Prefix> prefix = distinct.read(item);
    if (!prefix) return tl::unexpected(prefix.error());
    into.clients.push_back(*prefix);
    into.positions.push_back(item.position());
    return {};
  };
  if (value.content().kind == NodeKind::kScalar) return read_one(value);
  if (value.content().kind != NodeKind::kList || value.content().items.empty()) {
    return value.fail_expecting(R"(a list such as [10.0.0.0/8, "2001:db8::/32"])");
  }
  into.clients.reserve(value.content().items.size());
  into.positions.reserve(value.content().items.size());
  return read_list(value, read_one);
}

template <typename T>
Field limit_field(std::string_view key, std::optional<OverrideLimit<T>>& to,
                  Result<std::optional<T>> (*read)(const Value&)) {
  return {key, [&to, read](const Value& value) -> Result<void> {
            const Result<std::optional<T>> limit = read(value);
            if (!limit) return tl::unexpected(limit.error());
            to = OverrideLimit<T>{*limit};
            return {};
          }};
}

Result<void> read_override(const Value& value, DistinctPrefixes& distinct, Override& into) {
  into.position = value.position();
  Result<void> done = read_map(
      value, "an override",
      {{"clients", [&](const Value& v) { return read_override_clients(v, distinct, into); }, true},
       {"connections",
        [&](const Value& v) {
          return read_map(v, v.name(),
                          {limit_field("per_client", into.per_client, read_connection_limit),
                           limit_field("per_network", into.per_network, read_connection_limit)});
        }},
       {"new_connections",
        [&](const Value& v) {
          return read_map(v, v.name(),
                          {limit_field("per_client", into.client_rate, read_rate_limit),
                           limit_field("per_network", into.network_rate, read_rate_limit)});
        }},
       {"exempt", [&](const Value& v) { return store(into.exempt, v.choice(kTruth)); }}});
  if (!done) return done;
  const bool limits = into.per_client || into.per_network || into.client_rate || into.network_rate;
  if (into.exempt && limits) {
    return value.fail(
        "this override has 'exempt: true' and limits, which do not hold for exempt clients; one "
        "or the other would be right");
  }
  if (!into.exempt && !limits) {
    return value.fail(
        "this override sets nothing; 'connections: { per_client: 1000 }', another limit or "
        "'exempt: true' would be right");
  }
  return {};
}

}  // namespace

Result<void> read_overrides(const Value& value, std::vector<Override>& into) {
  if (value.content().kind != NodeKind::kList) {
    return value.fail_expecting("a list of '- clients: …' items");
  }
  into.reserve(value.content().items.size());
  DistinctPrefixes distinct;
  return read_list(
      value, [&](const Value& item) { return read_override(item, distinct, into.emplace_back()); });
}

}  // namespace headgate::config
