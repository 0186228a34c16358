// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "daemon/config/config.h"
#include "daemon/manage/manager.h"

namespace headgate::manage {

// What the kernel's judge has found, in the words of the configuration that its policy was compiled
// from: all but the deny entry's reason, which the configuration or the deny book knows. Pure.
Explanation to_explanation(const hg_explanation& found, const config::Rule& rule,
                           const hg_rule& compiled, const IpAddress& client);

// The entry of the configuration for exactly this range. Pure.
std::optional<DenyListed> find_configured(const config::Config& config, const Prefix& cidr);

// How long until a client that was refused for this might be admitted: until the deny entry, the
// penalty or the wait for a token ends; for a limit of connections nobody knows: one second.
std::chrono::seconds retry_after(const hg_explanation& found, const hg_rule& rule);

}  // namespace headgate::manage
