// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/quota.h"

namespace headgate::config {

// A part of a path, in quotes where '.' or '=' in it would be taken for more than text.
std::string part_text(std::string_view text);

// `quotas.rule_files`, whose order does not matter.
std::string paths_text(std::vector<std::string> paths);

// What a descriptor of a rule matches, as a part of a path: "client_ip", "path=\"/login*\"". Two
// that match the same have the same text.
std::string entry_text(const QuotaRule& rule);

// Whose quotas they are: "{ user: alice, client: app1 }". The same for two that are for the same.
std::string whom_text(const ClientQuota& quota);

// Everything that a domain says, except its name and `max_keys`. By path, for each rule and each
// client's quotas, key and YAML text: "client_ip.user" → "rate_limit" → "{ requests: 5, … }",
// "clients[{ user: alice }]" → "time_percent" → "200"; a rule that says nothing more has no keys.
// At the path "", what is said of the domain. What makes no difference makes none here; the order
// of wildcards does: at "…" of the level above it → "wildcards" → "[path=\"/a*\", path=\"/*\"]".
std::map<std::string, std::map<std::string, std::string>> flatten(const QuotaDomain& domain);

// Of the section without its domains, by whole key: "quotas.socket".
std::map<std::string, std::string> flatten(const Quotas& quotas);

// "{ after: 50, within: 10s, … }"
std::string penalty_text(const Penalty& penalty);

}  // namespace headgate::config
