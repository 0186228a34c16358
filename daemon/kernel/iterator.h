// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/libbpf.h>

#include <string>

#include "common/result.h"
#include "daemon/kernel/netns.h"

namespace headgate::kernel {

// Runs an iter/tcp program once over every TCP socket of `netns`. Returns what it wrote.
Result<std::string> run_iterator(const bpf_program* program, const NetworkNamespace& netns);

}  // namespace headgate::kernel
