// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bpf/abi.h"

namespace headgate::observe {

// One log line for an event, key=value pairs that `grep` and `cut` can work with:
// "refused rule=web client=192.0.2.1 port=40000 server=192.0.2.10:443 reason=client_connections",
// with " suppressed=N" if the kernel kept events back before this one.
std::string to_log_line(const hg_event& event, const std::string& rule_name);

}  // namespace headgate::observe
