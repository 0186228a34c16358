// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace headgate::config {

// Is `text` something that a YAML parser should see at all: valid UTF-8 without control characters
// other than tab and line breaks? The YAML library would silently replace what is not.
// The error names the first byte that is wrong as "file:line:col: …".
Result<void> check_text(std::string_view text, const std::string& file);

}  // namespace headgate::config
