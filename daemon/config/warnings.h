// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace headgate::config {

// What a valid configuration says without effect: "file:line:col: …", a sentence each.
std::vector<std::string> warnings(const Config& config, const std::string& file);

}  // namespace headgate::config
