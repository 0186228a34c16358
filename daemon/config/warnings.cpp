// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/warnings.h"

#include <algorithm>
#include <set>

#include "daemon/config/error.h"
#include "daemon/config/listen.h"

namespace headgate::config {

namespace {

void add_udp_warnings(const Config& config, const std::string& file,
                      std::vector<std::string>& found) {
  if (!config.xdp.interfaces.empty()) return;
  for (const Rule& rule : config.rules) {
    const auto udp = std::find_if(rule.listen.begin(), rule.listen.end(),
                                  [](const Listen& listen) { return listen.is_udp; });
    if (udp == rule.listen.end()) continue;
    found.push_back(where(file, udp->position) + ": rule '" + rule.name + "' covers " +
                    quote(to_string(*udp)) +
                    ", but only the front line sees UDP and 'xdp.interfaces' names no interface: "
                    "nobody is limited there; 'xdp: { interfaces: [eth0] }' would be right");
  }
}

void collect_names(const std::vector<QuotaRule>& rules, std::set<std::string>& names) {
  for (const QuotaRule& rule : rules) {
    if (!rule.name.empty()) names.insert(rule.name);
    collect_names(rule.descriptors, names);
  }
}

void add_replaces_warnings(const QuotaDomain& domain, const std::vector<QuotaRule>& rules,
                           const std::set<std::string>& names, std::vector<std::string>& found) {
  for (const QuotaRule& rule : rules) {
    for (const std::string& replaced : rule.replaces) {
      if (names.contains(replaced)) continue;
      found.push_back(where(domain.file, rule.position) + ": 'replaces' names " + quote(replaced) +
                      ", but no limit of domain " + quote(domain.name) + " has that name");
    }
    add_replaces_warnings(domain, rule.descriptors, names, found);
  }
}

void add_quota_warnings(const Quotas& quotas, std::vector<std::string>& found) {
  for (const QuotaDomain& domain : quotas.domains) {
    for (const IgnoredKey& ignored : domain.ignored) {
      found.push_back(where(domain.file, ignored.position) + ": '" + ignored.key +
                      "' has no effect where it stands, here as in envoyproxy/ratelimit; the key "
                      "in the map that it belongs to would be right");
    }
    std::set<std::string> names;
    collect_names(domain.descriptors, names);
    add_replaces_warnings(domain, domain.descriptors, names, found);
  }
}

}  // namespace

std::vector<std::string> warnings(const Config& config, const std::string& file) {
  std::vector<std::string> found;
  add_udp_warnings(config, file, found);
  add_quota_warnings(config.quotas, found);
  return found;
}

}  // namespace headgate::config
