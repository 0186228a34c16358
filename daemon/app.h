// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.h"
#include "daemon/manage/source.h"
#include "daemon/runtime/event_loop.h"

namespace headgate {

// Enforces what the source says until SIGTERM or SIGINT, then detaches everything. SIGHUP reads the
// configuration again. Call it before any other thread exists.
Result<void> run_daemon(const runtime::Signals& signals, manage::Source source);

}  // namespace headgate
