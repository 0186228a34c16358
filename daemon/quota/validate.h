// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.h"
#include "daemon/quota/request.h"

namespace headgate::quota {

// Can the request be judged? Errors are kInvalidArgument and say which descriptor is wrong. Pure.
Result<void> validate(const Request& request);

}  // namespace headgate::quota
