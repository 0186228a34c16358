// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "daemon/config/document.h"

namespace headgate::config {

// YAML in one line, safe inside a bracketed list or map, that parses to the same tree again: same
// texts, same quotes or none where that matters. Aliases are written out.
std::string to_flow_text(const Node& node);

// Text without quotes where that is safe, else in double quotes with escapes.
std::string scalar_text(std::string_view text);

// Text in double quotes with escapes. `escape`: what stands before the two digits of a control
// character: "\\x" in YAML, "\\u00" in JSON.
std::string quoted_text(std::string_view text, std::string_view escape = "\\x");

}  // namespace headgate::config
