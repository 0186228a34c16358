// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <string>

#include "daemon/config/flatten_quotas.h"
#include "daemon/config/words.h"
#include "daemon/control/messages.h"

namespace headgate::control {
namespace {

using config::ClientQuota;

std::uint64_t milliseconds(std::chrono::milliseconds time) {
  return static_cast<std::uint64_t>(time.count());
}

void fill(v1::QuotaLimit* message, const config::QuotaLimit& settings) {
  message->set_algorithm(std::string(config::word_for(settings.algorithm)));
  message->set_is_unlimited(settings.is_unlimited);
  message->set_requests(settings.requests);
  message->set_per_ms(milliseconds(settings.per));
  message->set_burst(settings.burst);
  message->set_floor(settings.floor);
  message->set_ceiling(settings.ceiling);
  message->set_lease_ttl_ms(milliseconds(settings.lease_ttl));
}

void fill(v1::QuotaLimit* message, const quota::Tally& tally) {
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  message->set_admitted(read(tally.admitted));
  message->set_refused(read(tally.refused));
  message->set_shadow(read(tally.shadow));
  message->set_uncounted(read(tally.uncounted));
  message->set_near_limit(read(tally.near_limit));
}

std::string who(ClientQuota::Whom whom, const std::string& name) {
  return whom == ClientQuota::Whom::kDefault ? std::string(config::kDefaultClient) : name;
}

}  // namespace

void fill(v1::QuotaLimit* message, const quota::Limit& limit) {
  message->set_name(limit.name);
  message->set_path(limit.path);
  fill(message, limit.settings);
  message->set_mode(limit.shadow_mode ? "shadow" : limit.quota_mode ? "quota" : "enforce");
  if (limit.penalty) message->set_penalty(config::penalty_text(*limit.penalty));
  if (limit.tally) fill(message, *limit.tally);
}

void fill(v1::ClientQuota* message, const ClientQuota& quota) {
  if (quota.user != ClientQuota::Whom::kNobody) {
    message->set_user(who(quota.user, quota.user_name));
  }
  if (quota.client != ClientQuota::Whom::kNobody) {
    message->set_client(who(quota.client, quota.client_name));
  }
  if (quota.time_percent) message->set_time_percent(*quota.time_percent);
  if (quota.bytes_per_second) message->set_bytes_per_second(*quota.bytes_per_second);
  if (quota.connections_per_second) {
    message->set_connections_per_second(*quota.connections_per_second);
  }
}

void fill(v1::QuotaCheckResponse* message, const quota::Verdict& verdict) {
  message->set_is_admitted(!verdict.is_over);
  message->set_is_over(verdict.would_be_over);
  message->set_remaining(verdict.remaining);
  message->set_until_reset_ns(static_cast<std::uint64_t>(verdict.until_reset.count()));
  if (verdict.retry_after != quota::Verdict::kNever) {
    message->set_retry_after_ns(static_cast<std::uint64_t>(verdict.retry_after.count()));
  }
  if (verdict.limit != nullptr) fill(message->mutable_limit(), *verdict.limit);
}

void fill(v1::QuotaKey* message, const quota::KeyUse& use) {
  message->set_rule(use.rule);
  message->set_label(use.label);
  message->set_hits(use.hits);
  message->set_refused(use.refused);
  message->set_in_flight(use.in_flight);
}

}  // namespace headgate::control
