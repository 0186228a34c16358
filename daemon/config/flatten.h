// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "daemon/config/config.h"

namespace headgate::config {

// Everything that a rule says, except its name, as key and YAML text that means the same when it is
// read again: "connections.per_client" → "100", "listen" → "[443, { unit: nginx.service }]",
// "overrides[10.0.0.0/8].connections.per_client" → "unlimited". A limit that is not set has no
// entry. What makes no difference (the order of `listen`, one override written as two) makes none
// here. The keys without "overrides[…]" are those of a Setting (overlay.h).
std::map<std::string, std::string> flatten(const Rule& rule);
// Of the front line: by whole key, "xdp.priority".
std::map<std::string, std::string> flatten(const Xdp& xdp);

}  // namespace headgate::config
