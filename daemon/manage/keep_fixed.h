// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config/config.h"

namespace headgate::manage {

// What takes effect only at the next start (difference.h) stays in `to` as it is in `from`, so that
// it is still told as pending.
void keep_fixed(const config::Config& from, config::Config& to);

}  // namespace headgate::manage
