// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headgate::config {

// Where a value stands in its file: 1-based line and column, for error messages.
struct Position {
  int line = 0;
  int column = 0;
};

}  // namespace headgate::config
