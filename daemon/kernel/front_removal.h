// SPDX-License-Identifier: Apache-2.0
// Private to the kernel layer.
#pragma once

#include <cstddef>
#include <string>

#include "common/result.h"

namespace headgate::kernel {

// Detaches the front line from the interfaces that the maps pinned in `state` name, unless another
// state's program is there by now. Where a network namespace cannot be found any more, or entered,
// the program stays, and judges nothing. Returns from how many.
Result<std::size_t> remove_fronts(const std::string& state);

}  // namespace headgate::kernel
