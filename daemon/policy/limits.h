// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/policy/policy.h"

namespace headgate::policy {

// The bits of the 16-byte form of an address that a prefix of `length` bits of its family fixes.
hg_address mask_of(IpFamily family, std::uint8_t length);

// A rule's settings as the kernel programs read them. `clients`: those that every rule knows.
hg_rule compile_rule(const config::Rule& rule, const Numbers& numbers,
                     const config::Clients& clients);

// The limits of clients of `rule` that `override` names.
hg_prefix compile_override(const config::Override& override, const hg_rule& rule);

}  // namespace headgate::policy
