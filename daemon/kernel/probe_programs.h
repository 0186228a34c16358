// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.h"

namespace headgate::kernel {

// Loads one of headgate's own programs, with the maps it uses, and unloads it. Errors: kUnsupported
// and kPermissionDenied with the kernel's words; kInternal if there is no program of that name.
// libbpf's log is captured.
Result<std::string> probe_program(const char* name);

}  // namespace headgate::kernel
