// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace headgate::runtime {

// The capabilities that headgated has a use for, by their numbers in linux/capability.h. When each
// is needed, and whether it stays after the kernel programs are attached:
//
//   kBpf         stays. Maps are read and written, policies are swapped, programs are run to count
//                open connections: all of it is bpf(2).
//   kNetAdmin    stays. SOCK_DESTROY closes what slipped beyond a limit; programs of the kinds
//                sk_lookup and sock_ops are attached, run and replaced.
//   kPerfmon     stays. A tracing program (tp_btf) is loaded and attached, at start, and again as
//                adopted connections come and go.
//   kSysAdmin    stays unless `netns` is `self` alone: setns(2) into the others, for the sockets
//                of replies, and when they come later. Else only at start: BPF_MAP_GET_FD_BY_ID,
//                by which a start takes over the inner maps of the one before.
//   kSysPtrace   stays only for `netns: all` and paths below /proc: /proc/PID/ns/net is looked at
//                again and again.
//   kSetPcap     at start: to take capabilities out of the bounding set. The drop is its end.
//
// No capability for files: they belong to root, as whom the daemon runs. docs/operations.md has
// this table for operators, systemd/headgate.service the bounding set.
enum class Capability : int {
  kSetPcap = 8,
  kNetAdmin = 12,
  kSysPtrace = 19,
  kSysAdmin = 21,
  kPerfmon = 38,
  kBpf = 39,
};

// Gives up every capability but those in `keep`, for good: from the effective, permitted,
// inheritable and ambient sets, and from the bounding set; sets no_new_privs, so that no program
// that might be started gets anything back. What is in `keep` and not held is not an error here:
// whoever needs it says so better.
//
// Without CAP_SETPCAP the bounding set stays as it is; no_new_privs keeps that from mattering.
//
// Capabilities belong to threads, and this changes the calling one: later threads inherit from it.
// Errors: kInternal, and nothing has changed, if there is another thread already.
Result<void> drop_capabilities_except(const std::vector<Capability>& keep);

// The capabilities in effect, as in "CAP_BPF, CAP_NET_ADMIN"; "none".
Result<std::string> capabilities_in_effect();

}  // namespace headgate::runtime
