// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace headgate {

// Bytes of the character that `text` begins with; 0 if it is not well-formed UTF-8, or empty.
std::size_t utf8_length(std::string_view text);

// Is `text` well-formed UTF-8, of whatever characters?
bool is_utf8(std::string_view text);

}  // namespace headgate
