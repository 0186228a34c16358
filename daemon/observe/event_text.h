// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bpf/abi.h"
#include "daemon/observe/event_hub.h"

namespace headgate::observe {

// What the kernel has told, in words. The time is now: the kernel's clock is another one.
Event to_event(const hg_event& event, const std::string& rule_name);

// One log line for an event, key=value pairs that `grep` and `cut` can work with:
// "refused rule=web client=192.0.2.1 port=40000 server=192.0.2.10:443 reason=client_connections
// action=reset", with " suppressed=N" if the kernel kept events back before this one.
std::string to_log_line(const Event& event);

}  // namespace headgate::observe
