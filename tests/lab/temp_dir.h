// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace headgate::lab {

// A new directory under /tmp, removed with all its content at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // Writes `content` to the file `name` and returns its path.
  std::string write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path path_;
};

// The content of a file; throws LabError when it cannot be opened.
std::string read_file(const std::filesystem::path& path);

// Writes to an existing file, such as one of /proc or a cgroup; throws LabError.
void write_file(const std::filesystem::path& path, const std::string& content);

}  // namespace headgate::lab
