// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/native.h"

#include <string>

#include "daemon/config/words.h"
#include "daemon/doors/durations.h"
#include "daemon/doors/headers.h"
#include "daemon/doors/jitter.h"

namespace headgate::doors::native {
namespace {

v1::Reason reason_of(const quota::Verdict& verdict) {
  if (verdict.limit == nullptr) return v1::REASON_NO_RULE;
  if (verdict.limit->settings.is_unlimited) return v1::REASON_UNLIMITED;
  if (!verdict.would_be_over) return v1::REASON_WITHIN_LIMIT;
  if (!verdict.is_over) return v1::REASON_NOT_ENFORCED;
  return verdict.retry_after == quota::Verdict::kNever ? v1::REASON_LARGER_THAN_LIMIT
                                                       : v1::REASON_LIMIT_REACHED;
}

void fill(v1::Limit* message, const config::QuotaLimit& limit) {
  message->set_requests(limit.requests);
  message->set_burst(limit.burst);
  if (limit.per.count() > 0) set(message->mutable_per(), limit.per);
}

void fill(v1::Verdict* message, const quota::Verdict& verdict, double jitter) {
  message->set_code(verdict.is_over ? v1::CODE_OVER_LIMIT : v1::CODE_OK);
  message->set_reason(reason_of(verdict));
  message->set_remaining(verdict.remaining);
  if (verdict.limit == nullptr) return;
  message->set_rule(verdict.limit->name);
  if (verdict.limit->settings.is_unlimited) return;
  fill(message->mutable_limit(), verdict.limit->settings);
  set(message->mutable_until_reset(), verdict.until_reset);
  if (const auto wait = retry_after(verdict, jitter)) set(message->mutable_retry_after(), *wait);
}

void fill(v1::WatchedLimit* message, const quota::Engine::LimitNow& now) {
  if (now.limit == nullptr) return;
  const quota::Limit& limit = *now.limit;
  message->set_rule(limit.name);
  message->set_path(limit.path);
  message->set_is_enforced(!limit.shadow_mode && !limit.quota_mode);
  message->set_is_unlimited(limit.settings.is_unlimited);
  if (limit.settings.is_unlimited) return;
  message->set_algorithm(std::string(config::word_for(limit.settings.algorithm)));
  message->set_floor(limit.settings.floor);
  message->set_ceiling(limit.settings.ceiling);
  fill(message->mutable_limit(), limit.settings);
  if (now.permits > 0) message->mutable_limit()->set_requests(now.permits);
}

v1::Usage::Kind kind_of(quota::UsageKind kind) {
  switch (kind) {
    case quota::UsageKind::kTime:
      return v1::Usage::TIME;
    case quota::UsageKind::kBytes:
      return v1::Usage::BYTES;
    case quota::UsageKind::kConnections:
      return v1::Usage::CONNECTIONS;
  }
  return v1::Usage::KIND_UNSPECIFIED;
}

}  // namespace

void fill(v1::CheckResponse* answer, const quota::Decision& decision) {
  const double jitter = random_fraction();
  answer->set_allowed(!decision.is_over);
  answer->mutable_verdicts()->Reserve(static_cast<int>(decision.verdicts.size()));
  for (const auto& verdict : decision.verdicts) fill(answer->add_verdicts(), verdict, jitter);
  if (const auto wait = retry_after(decision, jitter)) set(answer->mutable_retry_after(), *wait);
}

void fill(v1::WatchResponse* answer, const quota::Engine::LimitsNow& limits) {
  answer->set_is_known(limits.is_domain_known);
  answer->mutable_limits()->Reserve(static_cast<int>(limits.limits.size()));
  for (const auto& limit : limits.limits) fill(answer->add_limits(), limit);
}

Result<void> check(quota::Engine& engine, const v1::CheckRequest& message,
                   v1::CheckResponse* answer) {
  const auto decision = engine.check(read(message));
  if (!decision) return tl::unexpected(decision.error());
  fill(answer, *decision);
  return {};
}

Result<void> report(quota::Engine& engine, const v1::ReportRequest& message,
                    v1::ReportResponse* answer) {
  quota::UsageReport report;
  if (message.has_user()) report.who.user = message.user();
  if (message.has_client()) report.who.client = message.client();
  report.address = message.address();
  const auto time = time_of(message.time());
  if (!time) return fail(ErrorCode::kInvalidArgument, "the report has a time that is out of range");
  report.time = *time;
  report.bytes = message.bytes();
  report.connections = message.connections();
  report.is_exempt = message.is_exempt();
  const auto throttle = engine.report(message.domain(), report);
  if (!throttle) return tl::unexpected(throttle.error());
  answer->set_was_ignored(throttle->was_ignored);
  if (throttle->time.count() == 0) return {};
  set(answer->mutable_throttle(), throttle->time);
  answer->mutable_usage()->set_kind(kind_of(throttle->kind));
  answer->mutable_usage()->set_observed(throttle->observed);
  answer->mutable_usage()->set_quota(throttle->quota);
  return {};
}

}  // namespace headgate::doors::native
