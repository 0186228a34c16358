// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tests/frames/frame.h"

namespace headgate::frames {

// What a TCP frame says, as in
//
//   02:00:00:00:00:01 > 02:00:00:00:00:02 vlan 100: 10.0.0.1:8000 > 10.9.9.9:40000 RST ACK
//   sequence 0 acknowledgement 1001 window 0 ttl 64 DF data 0
//
// on one line, before "data" the MSS if it is told; or what is wrong with it: a checksum, a length,
// a header with anything else. Reads byte by byte, and shares nothing with what it checks.
std::string describe(const Bytes& frame);

}  // namespace headgate::frames
