// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "common/ip.h"
#include "daemon/kernel/live.h"
#include "daemon/policy/policy.h"

namespace headgate::manage {

// Is this a connection of a client that the policy exempts, everywhere or from its rule? Pure.
bool is_exempt(const policy::Policy& policy, const hg_live& connection);

// Which of the connections `live` to close so that no limit of the policy is exceeded any more, as
// far as connections of clients within `cidr` can do that: the newest of them first. Exempt clients
// keep theirs. `live` holds every counted connection of the rules that it is about. Pure.
std::vector<hg_live> find_excess(const policy::Policy& policy, std::vector<hg_live> live,
                                 const Prefix& cidr);

}  // namespace headgate::manage
