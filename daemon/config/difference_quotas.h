// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "daemon/config/difference.h"

namespace headgate::config {

// The parts of difference() for quotas. Domains and rules are the same by name and path, in any
// order, from whatever file. Keys are "quotas.DOMAIN.PATH.KEY" with the paths of flatten_quotas.h.

// What a reload puts in force at once. A domain of which more than kMostQuotaRules rules and
// clients differ has a summary.
void add_quota_changes(const Quotas& from, const Quotas& to, std::vector<Change>& into);
inline constexpr std::size_t kMostQuotaRules = 20;

// `max_keys` of domains that are in both: their tables are there already.
void add_quota_restarts(const Quotas& from, const Quotas& to, std::vector<Change>& into);

}  // namespace headgate::config
