// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "daemon/policy/policy.h"

namespace headgate::policy {

// The numbers of `config`'s rules, replies and groups, as close as possible to `previous`.
// Errors: more than kMaxReplies different replies or kMaxGroups different groups.
Result<Numbers> number(const config::Config& config, const std::string& file,
                       const Numbers& previous);

// The place of a reply that `numbers` has.
std::uint32_t reply_number(const Numbers& numbers, const config::Reply& reply);

}  // namespace headgate::policy
