// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace headgate::lab {

// Where cgroup2 is mounted, from /proc/self/mountinfo.
std::filesystem::path cgroup2_root();

// A new cgroup2 group, removed at the end (its processes must have ended by then).
class Cgroup {
 public:
  explicit Cgroup(const std::string& name);
  // Below another one.
  Cgroup(const Cgroup& parent, const std::string& name);
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  void make();

  std::filesystem::path path_;
};

}  // namespace headgate::lab
