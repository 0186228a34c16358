// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace headgate::client {

class Core;

// How often this process has been a child: changes in each fork's child.
std::uint64_t forks_until_now();

// Those whose forget_after_fork() is called in each child.
void add_to_forks(Core& core);
void remove_from_forks(Core& core);

}  // namespace headgate::client
