// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "daemon/config/config.h"

namespace headgate::config {

// "file:line:col"; columns count bytes, as compilers do.
std::string where(const std::string& file, Position position);

// kInvalidArgument, "file:line:col: message".
tl::unexpected<Error> fail_at(const std::string& file, Position position, std::string_view message);

// `text` safe to print: control characters as \xNN, long text cut short.
std::string printable(std::string_view text);

// `text` in single quotes, safe to print in the same way.
std::string quote(std::string_view text);

}  // namespace headgate::config
