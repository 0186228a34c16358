// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "tests/frames/frame.h"

namespace headgate::frames {

// What a frame is to the front line.
enum class Kind {
  kOther,        // not ours to judge
  kSyn,          // asks for a TCP connection
  kSegment,      // any other TCP segment
  kQuicInitial,  // asks for a QUIC connection
};

struct Shape {
  std::string name;
  Kind kind;
  Bytes frame;
};

// Every shape that a frame may come in, right and wrong. Requests are from 10.9.9.9 or 2001:db8::9,
// port 40000, to 10.0.0.1 or 2001:db8::1, port 8000; VLAN tags are 100, or 100 and 200.
const std::vector<Shape>& shapes();

}  // namespace headgate::frames
