// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <headgate/quota/v1/quota.pb.h>

#include "common/result.h"
#include "daemon/quota/engine.h"

// headgate.quota.v1 in the engine's terms.
namespace headgate::doors::native {

namespace v1 = headgate::quota::v1;

// Refers to the message's text.
template <typename Message>
quota::Request read(const Message& message) {
  quota::Request request;
  request.domain = message.domain();
  if constexpr (requires { message.cost(); }) {
    if (message.has_cost()) request.hits = message.cost();
  }
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

void fill(v1::CheckResponse* answer, const quota::Decision& decision);

// Judges, counts, and fills `answer`, which is empty before. Errors: kInvalidArgument, with which
// part of the request is wrong; and the engine's.
Result<void> check(quota::Engine& engine, const v1::CheckRequest& request,
                   v1::CheckResponse* answer);

// Counts what was used. Errors as those of check().
Result<void> report(quota::Engine& engine, const v1::ReportRequest& request,
                    v1::ReportResponse* answer);

// What a watch is told.
void fill(v1::WatchResponse* answer, const quota::Engine::LimitsNow& limits);

}  // namespace headgate::doors::native
