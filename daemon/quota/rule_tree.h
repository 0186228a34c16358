// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace headgate::quota {

struct Entry;
struct Limit;

}  // namespace headgate::quota
