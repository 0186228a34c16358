// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/policy/policy.h"

namespace headgate {

// Enforces the policy until SIGTERM or SIGINT, then detaches everything. Call it before any other
// thread exists.
Result<void> run_daemon(const config::Config& config, const policy::Policy& policy,
                        const std::string& config_file);

}  // namespace headgate
