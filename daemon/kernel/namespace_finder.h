// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/result.h"
#include "daemon/config/config.h"

namespace headgate::kernel {

// Who can have made a namespace, the most trusted first.
enum class NamespaceOrigin {
  kOwn,    // this process's own
  kNamed,  // it has a name in the configuration, /run/netns or /run/docker/netns: root has
  kHost,   // only processes are in it, and it belongs to the host's user namespace: root has
  kUsers,  // it belongs to another user namespace: whoever may run `unshare -Urn`
};

// A network namespace that is there now.
struct FoundNamespace {
  std::string name;         // as the configuration names it; "netns:[4026532008]" if nothing does
  std::string path;         // that NetworkNamespace::open() takes; may be another one's by then
  std::uint64_t inode = 0;  // tells it from every other one that lives
  NamespaceOrigin origin = NamespaceOrigin::kNamed;
};

struct FoundNamespaces {
  // Each once, in the configuration's order; with `netns: all` the most trusted first.
  std::vector<FoundNamespace> found;
  // Files and directories that could not be looked at: what was there may still be.
  std::set<std::string> unknown;
  // What operators should know of that.
  std::optional<Error> error;

  bool is_unknown(const std::string& path) const;
};

// Those that the configuration names and that are there; with `netns: all` this process's own, the
// named ones (/run/netns, /run/docker/netns) and those that processes are in. Processes of other
// users, and paths below /proc, need CAP_SYS_PTRACE.
FoundNamespaces find_namespaces(const config::Namespaces& wanted);

}  // namespace headgate::kernel
