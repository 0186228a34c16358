// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headgate::client {

class Core;

// Those whose forget_after_fork() is called in each child.
void add_to_forks(Core& core);
void remove_from_forks(Core& core);

}  // namespace headgate::client
