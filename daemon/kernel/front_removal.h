// SPDX-License-Identifier: Apache-2.0
// Private to the kernel layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/result.h"

namespace headgate::kernel {

// The indices of interfaces, by the cookie of their namespace.
using FrontsByNamespace = std::multimap<std::uint64_t, std::uint32_t>;

// Detaches the front line from these interfaces, where their namespaces can be found; with `map`
// only a program that uses the map with that id. Returns from how many.
std::size_t detach_elsewhere(FrontsByNamespace left,
                             std::optional<std::uint32_t> map = std::nullopt);

// Detaches the front line from the interfaces that the maps pinned in `state` name, unless another
// state's program is there by now. Where a network namespace cannot be found any more, or entered,
// the program stays, and judges nothing. Returns from how many.
Result<std::size_t> remove_fronts(const std::string& state);

}  // namespace headgate::kernel
