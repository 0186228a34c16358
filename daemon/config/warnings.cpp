// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/warnings.h"

#include <algorithm>

#include "daemon/config/error.h"
#include "daemon/config/listen.h"

namespace headgate::config {

std::vector<std::string> warnings(const Config& config, const std::string& file) {
  std::vector<std::string> found;
  if (!config.xdp.interfaces.empty()) return found;
  for (const Rule& rule : config.rules) {
    const auto udp = std::find_if(rule.listen.begin(), rule.listen.end(),
                                  [](const Listen& listen) { return listen.is_udp; });
    if (udp == rule.listen.end()) continue;
    found.push_back(where(file, udp->position) + ": rule '" + rule.name + "' covers " +
                    quote(to_string(*udp)) +
                    ", but only the front line sees UDP and 'xdp.interfaces' names no interface: "
                    "nobody is limited there; 'xdp: { interfaces: [eth0] }' would be right");
  }
  return found;
}

}  // namespace headgate::config
