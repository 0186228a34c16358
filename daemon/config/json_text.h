// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "daemon/config/document.h"

namespace headgate::config {

// The tree as JSON (RFC 8259) in one line. Text without quotes is what YAML 1.1 takes it for
// (yaml11.h): a number, true, false or text.
std::string to_json(const Node& node);

}  // namespace headgate::config
