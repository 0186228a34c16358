// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace headgate::kernel {

// A network namespace, held open: it lives at least as long as this object. Thread-safe.
class NetworkNamespace {
 public:
  // "self" (of the calling thread) or a path such as /run/netns/NAME.
  // Errors: kNotFound, kPermissionDenied, kInvalidArgument (a file that is no namespace).
  static Result<NetworkNamespace> open(const std::string& path);

  int fd() const { return fd_.get(); }
  std::uint64_t cookie() const { return cookie_; }  // as bpf_get_netns_cookie() returns it
  std::uint64_t inode() const { return inode_; }    // that of no other, as long as this is open

  // Runs `work` inside the namespace and waits for it; on a thread of its own unless it is the
  // process's own namespace. What `work` creates
  // there (sockets) stays in the namespace.
  Result<void> run_inside(const std::function<Result<void>()>& work) const;

 private:
  UniqueFd fd_;
  std::uint64_t cookie_ = 0;
  std::uint64_t inode_ = 0;
  bool is_own_ = false;  // all threads of the process are in it
};

}  // namespace headgate::kernel
