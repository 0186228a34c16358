// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/namespace_finder.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "common/unique_fd.h"

namespace headgate::kernel {
namespace {

namespace fs = std::filesystem;

bool is_gone(int error) {
  return error == ENOENT || error == ESRCH || error == ENOTDIR;
}

std::uint64_t inode_of(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

// If in doubt, users have made it. The process at `path` may have moved to another namespace.
NamespaceOrigin origin_of(const std::string& path, std::uint64_t inode) {
  const UniqueFd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns || inode_of(netns.get()) != inode) return NamespaceOrigin::kUsers;
  const UniqueFd owner(::ioctl(netns.get(), NS_GET_USERNS));
  struct stat own {};
  const bool is_host =
      owner && stat("/proc/self/ns/user", &own) == 0 && inode_of(owner.get()) == own.st_ino;
  return is_host ? NamespaceOrigin::kHost : NamespaceOrigin::kUsers;
}

class Finder {
 public:
  // `path` is as in the configuration or in a directory of names.
  void add_named(const std::string& path) {
    const auto [inode, error] = look_at(path);
    if (error != 0) {
      note_unknown(path, error);
    } else if (is_new(inode)) {
      result_.found.push_back({path, path, inode, NamespaceOrigin::kNamed});
    }
  }

  void add_own() {
    const auto [inode, error] = look_at("/proc/self/ns/net");
    if (error != 0) {
      note_unknown("self", error);
    } else if (is_new(inode)) {
      result_.found.push_back({"self", "self", inode, NamespaceOrigin::kOwn});
    }
  }

  void add_directory(const std::string& directory) {
    visit(directory, [this](const fs::path& entry) { add_named(entry); });
  }

  void add_processes() {
    visit("/proc", [this](const fs::path& entry) {
      const std::string pid = entry.filename();
      if (std::all_of(pid.begin(), pid.end(), [](unsigned char c) { return std::isdigit(c); })) {
        add_process(entry / "ns/net");
      }
    });
  }

  FoundNamespaces take() { return std::move(result_); }

 private:
  struct Look {
    std::uint64_t inode = 0;  // 0: there is no namespace
    int error = 0;            // not 0: it is not known whether there is one
  };

  static Look look_at(const std::string& path) {
    struct stat status {};
    struct statfs filesystem {};
    if (stat(path.c_str(), &status) != 0 || statfs(path.c_str(), &filesystem) != 0) {
      return {0, is_gone(errno) ? 0 : errno};
    }
    // A name under /run/netns is an empty file until something is mounted on it.
    return {filesystem.f_type == NSFS_MAGIC ? status.st_ino : 0, 0};
  }

  void add_process(const std::string& path) {
    const auto [inode, error] = look_at(path);
    // No error: one that ends at this moment looks like one that may not be looked at.
    if (error != 0) result_.unknown.insert(path);
    if (error != 0 || !is_new(inode)) return;
    result_.found.push_back(
        {"netns:[" + std::to_string(inode) + "]", path, inode, origin_of(path, inode)});
  }

  template <typename Visit>
  void visit(const std::string& directory, Visit visit_entry) {
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
      visit_entry(entry->path());
    }
    if (error && !is_gone(error.value())) note_unknown(directory, error.value());
  }

  bool is_new(std::uint64_t inode) { return inode != 0 && seen_.insert(inode).second; }

  void note_unknown(const std::string& path, int error) {
    result_.unknown.insert(path);
    result_.error = fail_errno("cannot look for network namespaces at " + path, error).value();
  }

  std::set<std::uint64_t> seen_;
  FoundNamespaces result_;
};

}  // namespace

bool FoundNamespaces::is_unknown(const std::string& path) const {
  return std::any_of(unknown.begin(), unknown.end(), [&path](const std::string& one) {
    return path == one || path.rfind(one + "/", 0) == 0;
  });
}

FoundNamespaces find_namespaces(const config::Namespaces& wanted) {
  Finder finder;
  if (wanted.is_all) {
    finder.add_own();
    finder.add_directory("/run/netns");
    finder.add_directory("/run/docker/netns");
    finder.add_processes();
    FoundNamespaces all = finder.take();
    std::stable_sort(all.found.begin(), all.found.end(),
                     [](const auto& a, const auto& b) { return a.origin < b.origin; });
    return all;
  }
  for (const std::string& path : wanted.paths) {
    if (path == "self") {
      finder.add_own();
    } else {
      finder.add_named(path);
    }
  }
  return finder.take();
}

}  // namespace headgate::kernel
