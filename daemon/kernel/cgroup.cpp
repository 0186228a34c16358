// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "daemon/kernel/mountinfo.h"

namespace headgate::kernel {
namespace {

namespace fs = std::filesystem;

}  // namespace

Result<std::string> find_cgroup2_mount(const std::string& mountinfo) {
  std::string part;  // a mount that shows only a part of the hierarchy, if there is no other
  for (const Mount& mount : parse_mountinfo(mountinfo)) {
    if (mount.type != "cgroup2") continue;
    if (mount.root == "/") return mount.point;
    if (part.empty()) part = mount.point;
  }
  if (!part.empty()) return part;
  return fail(ErrorCode::kNotFound,
              "no cgroup2 hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup");
}

Result<std::string> find_cgroup2() {
  return find_cgroup2_mount(read_mountinfo());
}

std::set<std::uint64_t> list_cgroups(const std::string& path) {
  std::set<std::uint64_t> ids;
  const auto add = [&ids](const std::string& directory) {
    struct stat status {};
    if (stat(directory.c_str(), &status) == 0) ids.insert(status.st_ino);
  };
  add(path);
  std::error_code error;
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code gone;
    if (entry->is_directory(gone)) add(entry->path());
  }
  return ids;
}

Result<Cgroup> open_cgroup(const std::string& path) {
  Cgroup cgroup{path, {}, 0};
  if (path == "auto") {
    Result<std::string> mount = find_cgroup2();
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
