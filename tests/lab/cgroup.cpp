// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/cgroup.h"

#include <system_error>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <sstream>

#include "tests/lab/error.h"
#include "tests/lab/temp_dir.h"
#include "tests/lab/wait.h"

namespace headgate::lab {

std::filesystem::path cgroup2_root() {
  std::istringstream mounts(read_file("/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);) {
    // "36 35 98:0 /root /mount/point options [fields …] - type source options"
    const auto separator = line.find(" - ");
    if (separator == std::string::npos || line.compare(separator + 3, 8, "cgroup2 ") != 0) continue;
    std::istringstream fields(line);
    std::string id, parent, device, root, mount_point;
    fields >> id >> parent >> device >> root >> mount_point;
    return mount_point;
  }
  throw LabError("no cgroup2 is mounted: mount -t cgroup2 none /sys/fs/cgroup");
}

Cgroup::Cgroup(const std::string& name)
    : path_(cgroup2_root() / ("headgate-test-" + std::to_string(::getpid()) + "-" + name)) {
  make();
}

Cgroup::Cgroup(const Cgroup& parent, const std::string& name) : path_(parent.path() / name) {
  make();
}

void Cgroup::make() {
  std::error_code error;
  std::filesystem::create_directory(path_, error);
  if (error) throw LabError("cannot make the cgroup " + path_.string() + ": " + error.message());
}

Cgroup::~Cgroup() {
  // A process that has just ended still counts for a moment.
  const bool removed = eventually(std::chrono::seconds(2), [this] {
    return ::rmdir(path_.c_str()) == 0 || !std::filesystem::exists(path_);
  });
  if (!removed) std::cerr << "cgroup " << path_ << " could not be removed\n";
}

}  // namespace headgate::lab
