// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <envoy/service/ratelimit/v3/rls.pb.h>

#include "common/result.h"
#include "daemon/doors/headers.h"
#include "daemon/quota/engine.h"

// envoy.service.ratelimit.v3 in the engine's terms. Every door that speaks it answers by this.
namespace headgate::doors::rls {

namespace v3 = envoy::service::ratelimit::v3;

// What came of a request.
struct Outcome {
  bool is_over = false;
  std::vector<Header> headers;  // that its client should get
};

// Judges, counts, and fills `answer` but for its headers; it is empty before. Errors:
// kInvalidArgument, with which part of the request is wrong; and the engine's.
Result<Outcome> check(quota::Engine& engine, const v3::RateLimitRequest& request,
                      v3::RateLimitResponse* answer);

// The headers as a client of gRPC is told them.
void add_headers(std::vector<Header> headers, v3::RateLimitResponse* answer);

}  // namespace headgate::doors::rls
