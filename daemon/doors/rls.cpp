// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/rls.h"

#include <string>
#include <utility>

#include "daemon/doors/durations.h"
#include "daemon/doors/jitter.h"

namespace headgate::doors::rls {
namespace {

using DescriptorMessage = envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
using v3::RateLimitResponse;

Result<quota::LimitOverride> read(const DescriptorMessage::RateLimitOverride& limit) {
  const int unit = limit.unit();
  if (unit < static_cast<int>(config::QuotaUnit::kSecond) ||
      unit > static_cast<int>(config::QuotaUnit::kWeek)) {
    return fail(ErrorCode::kInvalidArgument,
                "limit.unit must be SECOND, MINUTE, HOUR, DAY, WEEK, MONTH or YEAR");
  }
  return quota::LimitOverride{limit.requests_per_unit(), static_cast<config::QuotaUnit>(unit)};
}

Result<quota::Descriptor> read(const DescriptorMessage& message) {
  quota::Descriptor descriptor;
  descriptor.entries.reserve(static_cast<std::size_t>(message.entries_size()));
  for (const auto& entry : message.entries()) {
    descriptor.entries.push_back({entry.key(), entry.value()});
  }
  if (message.has_hits_addend()) descriptor.hits = message.hits_addend().value();
  if (message.has_limit()) {
    auto limit = read(message.limit());
    if (!limit) return tl::unexpected(limit.error());
    descriptor.limit = *limit;
  }
  return descriptor;
}

// Refers to the message's text.
Result<quota::Request> read(const v3::RateLimitRequest& message) {
  quota::Request request;
  request.domain = message.domain();
  request.hits = message.hits_addend() == 0 ? 1 : message.hits_addend();
  request.descriptors.reserve(static_cast<std::size_t>(message.descriptors_size()));
  for (const auto& one : message.descriptors()) {
    auto descriptor = read(one);
    if (!descriptor) {
      return fail("descriptor " + std::to_string(request.descriptors.size() + 1),
                  descriptor.error());
    }
    request.descriptors.push_back(*std::move(descriptor));
  }
  return request;
}

void fill(RateLimitResponse::DescriptorStatus* status, const quota::Verdict& verdict) {
  status->set_code(verdict.is_over ? RateLimitResponse::OVER_LIMIT : RateLimitResponse::OK);
  if (verdict.limit == nullptr) return;
  status->set_limit_remaining(verdict.remaining);
  const quota::Limit& limit = *verdict.limit;
  if (limit.settings.is_unlimited) return;
  auto* const current = status->mutable_current_limit();
  current->set_name(limit.name);
  current->set_requests_per_unit(verdict.allowed);
  current->set_unit(static_cast<RateLimitResponse::RateLimit::Unit>(limit.settings.unit));
  set(status->mutable_duration_until_reset(), verdict.until_reset);
}

}  // namespace

Result<Outcome> check(quota::Engine& engine, const v3::RateLimitRequest& message,
                      v3::RateLimitResponse* answer) {
  const auto request = read(message);
  if (!request) return tl::unexpected(request.error());
  const auto decision = engine.check(*request);
  if (!decision) return tl::unexpected(decision.error());
  answer->set_overall_code(decision->is_over ? RateLimitResponse::OVER_LIMIT
                                             : RateLimitResponse::OK);
  answer->mutable_statuses()->Reserve(static_cast<int>(decision->verdicts.size()));
  for (const auto& verdict : decision->verdicts) fill(answer->add_statuses(), verdict);
  return Outcome{decision->is_over,
                 headers_of(*decision, retry_after(*decision, random_fraction()))};
}

void add_headers(std::vector<Header> headers, v3::RateLimitResponse* answer) {
  for (auto& header : headers) {
    auto* const to = answer->add_response_headers_to_add();
    to->set_key(header.name.data(), header.name.size());
    to->set_value(std::move(header.value));
  }
}

}  // namespace headgate::doors::rls
