// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "quota/judge.h"

namespace headgate::client {

// CLOCK_REALTIME and CLOCK_MONOTONIC, within two microseconds: where the processor's time stamp
// counter is the kernel's own clock source, it is read directly, and compared with the clock every
// millisecond; so a hot key does not pay for a clock that it has just read. Any thread.
quota::Moment read_clock();

}  // namespace headgate::client
