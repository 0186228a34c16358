// SPDX-License-Identifier: Apache-2.0
// Private to the kernel layer: the pinned maps of a state (pin_directory.h).
#pragma once

#include <string>

#include "bpf/abi.h"
#include "common/result.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/programs.h"

namespace headgate::kernel {

// Says whose maps these are: this build's, and made with these settings.
void write_owner(const LimiterSettings& settings, hg_state& state);

// Lets the programs, which are not loaded yet, use the maps that are pinned in `state`. The error
// says why they cannot: another layout, size, cgroup, or way to count namespaces.
Result<void> reuse_maps(const std::string& state, limiter_bpf& programs,
                        const LimiterSettings& settings);

Result<void> pin_maps(const std::string& state, const limiter_bpf& programs);

// Copies what operators have denied from the maps pinned in `state`, where another daemon has left
// it. Maps of another layout are passed over: the counts can be found again, this cannot, but it
// cannot be read either.
Result<void> keep_denials(const std::string& state, const limiter_bpf& programs);

}  // namespace headgate::kernel
