// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "daemon/config/quota.h"

namespace headgate::config {

// Reads a rule file of envoyproxy/ratelimit, unchanged and as strictly as that server does:
//
//   domain: api
//   descriptors:
//     - key: path
//       value: "/login*"
//       rate_limit: { unit: minute, requests_per_unit: 10 }
//
// `file` only names it in messages. Pure. Errors are kInvalidArgument, "file:line:col: …": what its
// loader refuses, and beyond that bad YAML as in parse() (tags, a key twice in a map, a second
// document), a `unit` beside `unlimited` that is none, and `share_threshold` with a wildcard in
// `key` alone. Text without quotes is what YAML 1.1 takes it for (yaml11.h).
// Source: src/config/config_impl.go there.
Result<QuotaDomain> parse_rule_file(std::string_view text, const std::string& file);

}  // namespace headgate::config
