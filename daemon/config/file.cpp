// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

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

Result<void> write_all(const std::string& path, int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t count = ::write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(path + ": cannot write", errno);
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

struct Place {
  std::string directory;
  std::string name;
};

Place split_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// All of it is on disk before the file gets its name.
Result<void> write_and_rename(const std::string& path, const std::string& temporary, int fd,
                              std::string_view content) {
  if (Result<void> written = write_all(path, fd, content); !written) return written;
  constexpr mode_t kMode = 0644;
  if (::fchmod(fd, kMode) != 0) return fail_errno(path + ": cannot set its mode", errno);
  if (::fsync(fd) != 0) return fail_errno(path + ": cannot write", errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return fail_errno(path + ": cannot replace", errno);
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  // Before it is opened: opening alone can block (a FIFO) or do something (a device).
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail_errno(path + ": cannot open", errno);
  if (Result<void> type = check_type(path, status); !type) return tl::unexpected(type.error());
  if (status.st_size > static_cast<off_t>(kMaxFileBytes)) return too_large(path);

  // O_NONBLOCK: what stands there now may no longer be what stat saw.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return fail_errno(path + ": cannot open", errno);
  return read_all(path, fd.get());
}

Result<void> replace_file(const std::string& path, std::string_view content) {
  const auto [directory, name] = split_path(path);
  const UniqueFd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return fail_errno(path + ": cannot open its directory", errno);
  std::string temporary = directory + "/." + name + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return fail_errno(path + ": cannot write in its directory", errno);
  Result<void> done = write_and_rename(path, temporary, fd.get(), content);
  if (!done) {
    ::unlink(temporary.c_str());
    return done;
  }
  if (::fsync(parent.get()) != 0) return fail_errno(path + ": cannot write its directory", errno);
  return {};
}

}  // namespace headgate::config
