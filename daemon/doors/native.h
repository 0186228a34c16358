// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <headgate/quota/v1/quota.pb.h>

#include "common/result.h"
#include "daemon/quota/engine.h"

// headgate.quota.v1 in the engine's terms.
namespace headgate::doors::native {

namespace v1 = headgate::quota::v1;

// Judges, counts, and fills `answer`, which is empty before. Errors: kInvalidArgument, with which
// part of the request is wrong; and the engine's.
Result<void> check(quota::Engine& engine, const v1::CheckRequest& request,
                   v1::CheckResponse* answer);

}  // namespace headgate::doors::native
