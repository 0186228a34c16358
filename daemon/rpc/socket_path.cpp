// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc/socket_path.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "common/unique_fd.h"

namespace headgate::rpc {
namespace {

// Only a refusal proves that nobody listens; any other failure might be this process's own.
bool is_abandoned(const std::string& path) {
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

Result<void> prepare_socket_path(const std::string& path, const std::string& key) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (error) return fail_errno("cannot make the directory of " + path, error.value());
  struct stat file {};
  if (lstat(path.c_str(), &file) != 0) return {};
  if (!S_ISSOCK(file.st_mode)) {
    return fail(ErrorCode::kInvalidArgument,
                path + " exists and is not a socket; choose another " + key);
  }
  if (!is_abandoned(path)) {
    return fail(ErrorCode::kUnavailable,
                "another daemon already serves " + path + "; stop it or choose another " + key);
  }
  if (unlink(path.c_str()) != 0) return fail_errno("cannot replace " + path, errno);
  return {};
}

}  // namespace headgate::rpc
