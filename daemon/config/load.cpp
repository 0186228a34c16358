// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/unique_fd.h"
#include "daemon/config/parse.h"

namespace headgate::config {
namespace {

Result<void> check_type(const std::string& path, const struct stat& status) {
  if (S_ISREG(status.st_mode)) return {};
  const std::string what = S_ISDIR(status.st_mode) ? "a directory" : "not a regular file";
  return fail(ErrorCode::kInvalidArgument,
              path + ": is " + what + "; the path of a YAML file would be right");
}

tl::unexpected<Error> too_large(const std::string& path) {
  return fail(
      ErrorCode::kInvalidArgument,
      path + ": is too large; at most " + std::to_string(kMaxFileBytes) + " bytes would be right");
}

Result<std::string> read_all(const std::string& path, int fd) {
  std::string text;
  char buffer[64 * 1024];
  while (true) {
    const ssize_t count = ::read(fd, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(path + ": cannot read", errno);
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kMaxFileBytes) return too_large(path);
  }
}

}  // namespace

Result<Config> load(const std::string& path) {
  // Before it is opened: opening alone can block (a FIFO) or do something (a device).
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail_errno(path + ": cannot open", errno);
  if (Result<void> type = check_type(path, status); !type) return tl::unexpected(type.error());
  if (status.st_size > static_cast<off_t>(kMaxFileBytes)) return too_large(path);

  // O_NONBLOCK: what stands there now may no longer be what stat saw.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return fail_errno(path + ": cannot open", errno);
  const Result<std::string> text = read_all(path, fd.get());
  if (!text) return tl::unexpected(text.error());
  return parse(*text, path);
}

}  // namespace headgate::config
