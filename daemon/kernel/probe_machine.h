// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "daemon/kernel/mountinfo.h"

// What of the machine can be read from files. Each probe says what it has found, or what is in the
// way; what to do about it is probe.cpp's to say.
namespace headgate::kernel {

// Pure.
//
// "6.1.0-18-amd64" is {6, 1}; none: it does not begin with two numbers.
std::optional<std::pair<int, int>> parse_kernel_version(const std::string& release);
// The mode in brackets, from the text of /sys/kernel/security/lockdown; "" if there is none.
std::string parse_lockdown(const std::string& text);
// The effective capabilities, from the text of /proc/PID/status; none: no such line.
std::optional<std::uint64_t> parse_effective_capabilities(const std::string& status);
// "CAP_BPF, CAP_NET_ADMIN": what of the capabilities that the daemon cannot start without is
// missing; "" if nothing is.
std::string missing_capabilities(std::uint64_t effective);
// Where pins in `pin_dir` would be, from the mounts that there are. `can_mount`: this process may
// mount what is missing.
Result<std::string> judge_bpffs(const std::vector<Mount>& mounts, const std::string& pin_dir,
                                bool can_mount);

// Of this machine.
Result<std::string> probe_kernel_version();
Result<std::string> probe_btf();
Result<std::string> probe_cgroup2();
Result<std::string> probe_bpffs(const std::string& pin_dir);
Result<std::string> probe_capabilities();
Result<std::string> probe_namespaces();
// kUnsupported: mode confidentiality. What that means for headgate's programs is another question.
Result<std::string> probe_lockdown();
// CONFIG_INET_DIAG_DESTROY: asks to destroy a socket that there is not.
Result<std::string> probe_inet_diag_destroy();

}  // namespace headgate::kernel
