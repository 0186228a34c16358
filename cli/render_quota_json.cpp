// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "cli/json.h"
#include "cli/render.h"

namespace headgate::cli {
namespace {

using control::v1::ClientQuota;
using control::v1::QuotaDomain;
using control::v1::QuotaLimit;

// Only what means something for its algorithm.
void add_numbers(Json& json, const QuotaLimit& limit) {
  if (limit.is_unlimited()) return;
  if (limit.per_ms() > 0) {
    json["requests"] = limit.requests();
    json["per_ms"] = limit.per_ms();
    if (limit.algorithm() == "gcra") json["burst"] = limit.burst();
    return;
  }
  if (limit.ceiling() > 0) {
    json["floor"] = limit.floor();
    json["ceiling"] = limit.ceiling();
  } else {
    json["requests"] = limit.requests();
  }
  if (limit.lease_ttl_ms() > 0) json["lease_ttl_ms"] = limit.lease_ttl_ms();
}

Json settings_of(const QuotaLimit& limit) {
  Json json{{"name", limit.name()}, {"path", limit.path()}};
  // An unlimited one counts by no algorithm.
  if (!limit.is_unlimited()) json["algorithm"] = limit.algorithm();
  json["is_unlimited"] = limit.is_unlimited();
  add_numbers(json, limit);
  json["mode"] = limit.mode();
  if (!limit.penalty().empty()) json["penalty"] = limit.penalty();
  return json;
}

Json to_json(const QuotaLimit& limit) {
  Json json = settings_of(limit);
  if (limit.has_in_flight()) json["in_flight"] = limit.in_flight();
  json["admitted"] = limit.admitted();
  json["refused"] = limit.refused();
  json["shadow"] = limit.shadow();
  json["uncounted"] = limit.uncounted();
  json["near_limit"] = limit.near_limit();
  return json;
}

Json to_json(const ClientQuota& quota) {
  Json json = Json::object();
  if (quota.has_user()) json["user"] = quota.user();
  if (quota.has_client()) json["client"] = quota.client();
  if (quota.has_time_percent()) json["time_percent"] = quota.time_percent();
  if (quota.has_bytes_per_second()) json["bytes_per_second"] = quota.bytes_per_second();
  if (quota.has_connections_per_second()) {
    json["connections_per_second"] = quota.connections_per_second();
  }
  return json;
}

Json to_json(const QuotaDomain& domain) {
  Json limits = Json::array();
  for (const QuotaLimit& limit : domain.limits()) limits.push_back(to_json(limit));
  Json clients = Json::array();
  for (const ClientQuota& quota : domain.clients()) clients.push_back(to_json(quota));
  return {{"name", domain.name()},
          {"keys", domain.keys()},
          {"max_keys", domain.max_keys()},
          {"evicted", domain.evicted()},
          {"check_all_then_commit", domain.check_all_then_commit()},
          {"limits", std::move(limits)},
          {"clients", std::move(clients)}};
}

}  // namespace

std::string quota_domains_json(const control::v1::QuotaDomainsResponse& answer) {
  Json domains = Json::array();
  for (const QuotaDomain& domain : answer.domains()) domains.push_back(to_json(domain));
  return dump({{"domains", std::move(domains)}});
}

std::string quota_check_json(const control::v1::QuotaCheckResponse& answer) {
  Json json{{"is_admitted", answer.is_admitted()}, {"is_over", answer.is_over()}};
  if (!answer.has_limit()) return dump(json);
  json["limit"] = settings_of(answer.limit());
  if (answer.limit().is_unlimited()) return dump(json);
  json["remaining"] = answer.remaining();
  json["until_reset_ns"] = answer.until_reset_ns();
  if (answer.has_retry_after_ns()) json["retry_after_ns"] = answer.retry_after_ns();
  return dump(json);
}

std::string quota_top_json(const control::v1::QuotaTopResponse& answer) {
  Json keys = Json::array();
  for (const control::v1::QuotaKey& key : answer.keys()) {
    keys.push_back({{"domain", key.domain()},
                    {"rule", key.rule()},
                    {"label", key.label()},
                    {"hits", key.hits()},
                    {"refused", key.refused()},
                    {"in_flight", key.in_flight()}});
  }
  return dump({{"keys", std::move(keys)}});
}

}  // namespace headgate::cli
