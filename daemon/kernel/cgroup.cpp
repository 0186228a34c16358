// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

namespace headgate::kernel {
namespace {

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(const std::string& field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      text += static_cast<char>(std::stoi(field.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      text += field[i];
    }
  }
  return text;
}

}  // namespace

Result<std::string> find_cgroup2_mount(const std::string& mountinfo) {
  std::string part;  // a mount that shows only a part of the hierarchy, if there is no other
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    // id parent major:minor root mount-point options [optional fields…] - type source options
    const std::size_t separator = line.find(" - ");
    if (separator == std::string::npos || line.compare(separator + 3, 8, "cgroup2 ") != 0) continue;
    std::istringstream fields(line);
    std::string skipped;
    std::string root;
    std::string mount_point;
    fields >> skipped >> skipped >> skipped >> root >> mount_point;
    if (root == "/") return unescape(mount_point);
    if (part.empty()) part = unescape(mount_point);
  }
  if (!part.empty()) return part;
  return fail(ErrorCode::kNotFound,
              "no cgroup2 hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup");
}

Result<Cgroup> open_cgroup(const std::string& path) {
  Cgroup cgroup{path, {}, 0};
  if (path == "auto") {
    std::ostringstream mountinfo;
    mountinfo << std::ifstream("/proc/self/mountinfo").rdbuf();
    Result<std::string> mount = find_cgroup2_mount(mountinfo.str());
    if (!mount) return tl::unexpected(mount.error());
    cgroup.path = *mount;
  }
  cgroup.fd.reset(::open(cgroup.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup.fd) return fail_errno("cannot open cgroup " + cgroup.path, errno);
  struct statfs filesystem {};
  struct stat directory {};
  if (fstatfs(cgroup.fd.get(), &filesystem) != 0 || fstat(cgroup.fd.get(), &directory) != 0) {
    return fail_errno("cannot examine cgroup " + cgroup.path, errno);
  }
  if (filesystem.f_type != CGROUP2_SUPER_MAGIC) {
    return fail(ErrorCode::kInvalidArgument,
                cgroup.path + " is not in the cgroup2 hierarchy; 'cgroup: auto' finds it");
  }
  cgroup.id = directory.st_ino;
  return cgroup;
}

}  // namespace headgate::kernel
