// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/flatten_quotas.h"
#include "daemon/config/quota_readers.h"

namespace headgate::config {
namespace {

constexpr double kMostTimePercent = 1'000'000;  // of 10,000 threads
constexpr double kMostBytes = 1'000'000'000'000;
constexpr double kMostConnections = 1'000'000;

Result<void> read_whom(const Value& value, ClientQuota::Whom& whom, std::string& name) {
  Result<std::string> text = value.text("a name or '" + std::string(kDefaultClient) + "'");
  if (!text) return tl::unexpected(std::move(text).error());
  whom = *text == kDefaultClient ? ClientQuota::Whom::kDefault : ClientQuota::Whom::kOne;
  if (whom == ClientQuota::Whom::kOne) name = *std::move(text);
  return {};
}

Result<void> read_client_quota(const Value& map, ClientQuota& into) {
  into.position = map.position();
  const auto decimal = [](std::optional<double>& to, double high) {
    return [&to, high](const Value& v) { return store(to, v.decimal(high)); };
  };
  Result<void> done = read_map(
      map, "a client's quotas",
      {{"user", [&](const Value& v) { return read_whom(v, into.user, into.user_name); }},
       {"client", [&](const Value& v) { return read_whom(v, into.client, into.client_name); }},
       {"time_percent", decimal(into.time_percent, kMostTimePercent)},
       {"bytes_per_second", decimal(into.bytes_per_second, kMostBytes)},
       {"connections_per_second", decimal(into.connections_per_second, kMostConnections)}});
  if (!done) return done;
  const auto nobody = ClientQuota::Whom::kNobody;
  if (into.user == nobody && into.client == nobody) {
    return map.fail(
        "this names neither a 'user' nor a 'client'; one of them, or both, would be "
        "right");
  }
  if (!into.time_percent && !into.bytes_per_second && !into.connections_per_second) {
    return map.fail(
        "this has no quota; 'time_percent', 'bytes_per_second' or "
        "'connections_per_second' would be right");
  }
  return {};
}

}  // namespace

Result<void> read_client_quotas(const Value& value, std::vector<ClientQuota>& into) {
  DistinctNames names;
  return read_list(value, [&](const Value& item) -> Result<void> {
    const Value map(item.file(), "", item.node());
    ClientQuota quota;
    Result<void> done = read_client_quota(map, quota);
    if (done) done = names.add(map, "quotas of", whom_text(quota));
    if (done) into.push_back(std::move(quota));
    return done;
  });
}

}  // namespace headgate::config
