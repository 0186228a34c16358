// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "daemon/config/config.h"

namespace headgate::config {

// YAML for `netns`: "self", "all", "[self, /run/netns/web]".
std::string to_string(const Namespaces& namespaces);

}  // namespace headgate::config
