// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace headgate::cli {

// An entry of a descriptor.
struct EntryText {
  std::string key;
  std::string value;  // may be empty

  friend bool operator==(const EntryText&, const EntryText&) = default;
};

// "user=alice,action=export"; "\," is a comma in a value. Errors: kInvalidArgument, and say what
// would be right.
Result<std::vector<EntryText>> read_entries(const std::string& text);

}  // namespace headgate::cli
