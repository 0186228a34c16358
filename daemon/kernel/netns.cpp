// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <system_error>

#include <cerrno>
#include <thread>

namespace headgate::kernel {
namespace {

#ifndef SO_NETNS_COOKIE
constexpr int SO_NETNS_COOKIE = 71;  // Linux >= 5.14
#endif

Result<std::uint64_t> read_cookie() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (!socket || getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0) {
    return fail_errno("cannot read the namespace's cookie (SO_NETNS_COOKIE, Linux 5.14)", errno);
  }
  return cookie;
}

}  // namespace

Result<NetworkNamespace> NetworkNamespace::open(const std::string& path) {
  const std::string file = path == "self" ? "/proc/thread-self/ns/net" : path;
  NetworkNamespace netns;
  netns.is_own_ = path == "self";
  netns.fd_.reset(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns.fd_) return fail_errno("cannot open network namespace " + file, errno);
  struct stat status {};
  if (fstat(netns.fd_.get(), &status) != 0) return fail_errno("cannot look at " + file, errno);
  netns.inode_ = status.st_ino;
  Result<void> inside = netns.run_inside([&netns]() -> Result<void> {
    Result<std::uint64_t> cookie = read_cookie();
    if (!cookie) return tl::unexpected(cookie.error());
    netns.cookie_ = *cookie;
    return {};
  });
  if (!inside) return fail("cannot use network namespace " + file, inside.error());
  return netns;
}

Result<void> NetworkNamespace::run_inside(const std::function<Result<void>()>& work) const {
  if (is_own_) return work();
  Result<void> result;
  try {
    std::thread([this, &work, &result] {
      if (setns(fd_.get(), CLONE_NEWNET) != 0) {
        result = errno == EINVAL
                     ? fail(ErrorCode::kInvalidArgument, "it is not a network namespace")
                     : fail_errno("cannot enter it (CAP_SYS_ADMIN is needed)", errno);
        return;
      }
      result = work();
    }).join();
  } catch (const std::system_error& error) {
    return fail(ErrorCode::kUnavailable, std::string("cannot start a thread: ") + error.what());
  }
  return result;
}

}  // namespace headgate::kernel
