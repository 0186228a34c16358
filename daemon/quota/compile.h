// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.h"
#include "daemon/config/quota.h"
#include "daemon/quota/policy.h"
#include "daemon/quota/request.h"

namespace headgate::quota {

// The rules, compiled. What has been counted goes along from `former` (may be null): a domain's
// account by its name, a limit's tally by its identity. Errors: kUnavailable, no memory for a new
// domain.
Result<std::shared_ptr<const Policy>> compile(const config::Quotas& quotas, const Policy* former);

// What makes a limit the same after a reload, and so its keys: the domain (whose table it is), what
// the counts mean, and its name if no other has it, or else its path.
std::uint64_t identity_of(const Limit& limit, bool has_own_name);

// A limit that came with a request, for the key that the entries are.
std::unique_ptr<const Limit> make_override(const LimitOverride& from,
                                           const std::vector<Entry>& entries);

}  // namespace headgate::quota
