// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.h"

// Features of the kernel, each probed by loading a program of a few instructions that uses it and
// unloading it again. Errors are kUnsupported or kPermissionDenied, with the kernel's words.
namespace headgate::kernel {

// An iterator over TCP sockets. It is loaded, never run: see docs/adr/0004-generations.md.
Result<std::string> probe_tcp_iterator();
// The kernel function bpf_sock_destroy, called by such an iterator.
Result<std::string> probe_sock_destroy();
// Memory of BPF is charged to cgroups (since Linux 5.11), or RLIMIT_MEMLOCK leaves room.
Result<std::string> probe_memlock();
// A program that passes every packet.
Result<std::string> probe_xdp();
// A program that takes the place of a function of another one (freplace), as libxdp's dispatcher
// has to.
Result<std::string> probe_xdp_dispatcher();

}  // namespace headgate::kernel
