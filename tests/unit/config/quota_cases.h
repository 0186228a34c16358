// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cases.h"

namespace headgate::config {

// The section's contents begin at line 2, column 11.
inline std::string quotas(const std::string& body) {
  return "rules: []\nquotas: { " + body + " }\n";
}

// The contents of the domain `api` begin at line 5, column 7.
inline std::string domain(const std::string& line) {
  return "rules: []\nquotas:\n  domains:\n    - domain: api\n      " + line + "\n";
}

// The contents of a descriptor with the key `user` begin at line 5, column 33.
inline std::string descriptor(const std::string& body) {
  return domain("descriptors: [{ key: user, " + body + " }]");
}

// The contents of a limit begin at line 5, column 47.
inline std::string rate_limit(const std::string& body) {
  return descriptor("rate_limit: { " + body + " }");
}

// The contents of a limit begin at line 5, column 48.
inline std::string concurrency(const std::string& body) {
  return descriptor("concurrency: { " + body + " }");
}

// The quotas of one client begin at line 5, column 17.
inline std::string client(const std::string& map) {
  return domain("clients: [" + map + "]");
}

inline QuotaDomain first_domain(const std::string& yaml) {
  const Config config = parse_good(yaml);
  return config.quotas.domains.empty() ? QuotaDomain{} : config.quotas.domains.front();
}

inline QuotaRule first_rule(const std::string& yaml) {
  const QuotaDomain found = first_domain(yaml);
  return found.descriptors.empty() ? QuotaRule{} : found.descriptors.front();
}

inline QuotaLimit first_limit(const std::string& yaml) {
  return first_rule(yaml).limit.value_or(QuotaLimit{});
}

}  // namespace headgate::config
