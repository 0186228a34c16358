// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/namespace_finder.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

namespace headgate::kernel {
namespace {

namespace fs = std::filesystem;

class Finder {
 public:
  void add(std::string name, const std::string& path, const std::string& file) {
    struct stat status {};
    struct statfs filesystem {};
    // A name under /run/netns is an empty file until something is mounted on it.
    if (stat(file.c_str(), &status) != 0 || statfs(file.c_str(), &filesystem) != 0 ||
        filesystem.f_type != NSFS_MAGIC || !seen_.insert(status.st_ino).second) {
      return;
    }
    if (name.empty()) name = "netns:[" + std::to_string(status.st_ino) + "]";
    found_.push_back({std::move(name), path, status.st_ino});
  }

  void add_directory(const std::string& directory) {
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string path = entry->path();
      add(path, path, path);
    }
  }

  void add_processes() {
    std::error_code error;
    for (fs::directory_iterator entry("/proc", error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string name = entry->path().filename();
      if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); })) {
        continue;
      }
      const std::string path = entry->path() / "ns/net";
      add("", path, path);
    }
  }

  std::vector<FoundNamespace> take() { return std::move(found_); }

 private:
  std::set<std::uint64_t> seen_;
  std::vector<FoundNamespace> found_;
};

}  // namespace

std::vector<FoundNamespace> find_namespaces(const config::Namespaces& wanted) {
  Finder finder;
  const std::string own = "/proc/self/ns/net";
  if (wanted.is_all) {
    finder.add("self", "self", own);
    finder.add_directory("/run/netns");
    finder.add_directory("/run/docker/netns");
    finder.add_processes();
    return finder.take();
  }
  for (const std::string& path : wanted.paths) {
    finder.add(path, path, path == "self" ? own : path);
  }
  return finder.take();
}

}  // namespace headgate::kernel
