// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.h"

namespace headgate::runtime {

// Sends the process's log (spdlog's default logger) to stderr: with time and level for a reader,
// with the level as a <N> prefix and without time under systemd's journal, which has its own.
// Colour only on a terminal. Levels: trace, debug, info, warning, error.
Result<void> set_up_log(const std::string& level);

}  // namespace headgate::runtime
