// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/native.h"

#include "daemon/doors/durations.h"
#include "daemon/doors/headers.h"
#include "daemon/doors/jitter.h"

namespace headgate::doors::native {
namespace {

// Refers to the message's text.
quota::Request read(const v1::CheckRequest& message) {
  quota::Request request;
  request.domain = message.domain();
  if (message.has_cost()) request.hits = message.cost();
  request.descriptors.reserve(static_cast<std::size_t>(message.descriptors_size()));
  for (const auto& one : message.descriptors()) {
    quota::Descriptor& descriptor = request.descriptors.emplace_back();
    descriptor.entries.reserve(static_cast<std::size_t>(one.entries_size()));
    for (const auto& entry : one.entries()) {
      descriptor.entries.push_back({entry.key(), entry.value()});
    }
    if (one.has_hits()) descriptor.hits = one.hits();
  }
  return request;
}

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

}  // namespace

Result<void> check(quota::Engine& engine, const v1::CheckRequest& message,
                   v1::CheckResponse* answer) {
  const auto decision = engine.check(read(message));
  if (!decision) return tl::unexpected(decision.error());
  const double jitter = random_fraction();
  answer->set_allowed(!decision->is_over);
  answer->mutable_verdicts()->Reserve(static_cast<int>(decision->verdicts.size()));
  for (const auto& verdict : decision->verdicts) fill(answer->add_verdicts(), verdict, jitter);
  if (const auto wait = retry_after(*decision, jitter)) set(answer->mutable_retry_after(), *wait);
  return {};
}

}  // namespace headgate::doors::native
