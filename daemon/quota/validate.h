// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.h"
#include "daemon/quota/request.h"
#include "daemon/quota/usage.h"

namespace headgate::quota {

// Can the request be judged? Errors are kInvalidArgument and say which descriptor is wrong. Pure.
Result<void> validate(const Request& request);
// The same of one that need not have descriptors.
Result<void> validate_what_is_there(const Request& request);
Result<void> validate(std::string_view domain, const UsageReport& report);

}  // namespace headgate::quota
