// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace headgate::kernel {

// Keeps what libbpf and libxdp would print to stderr, so that it becomes part of an error message.
// Affects the whole process.
void capture_libbpf_log();

// The last lines of warnings since the last call, without the trailing newline. Thread-safe.
std::string take_libbpf_warnings();

// What the verifier has objected to, from its log or libbpf's: its last line before the statistics;
// "" if it has said nothing. Pure.
std::string verifier_objection(const std::string& log);

}  // namespace headgate::kernel
