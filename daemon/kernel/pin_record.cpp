// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/pin_record.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

namespace headgate::kernel {
namespace {

namespace fs = std::filesystem;

// Of a path as it is written, not of what links in it lead to: those may be turned meanwhile.
std::string file_name(const std::string& config_file) {
  std::error_code error;
  const fs::path path = fs::absolute(config_file, error).lexically_normal();
  std::string name;
  for (const char letter : path.string()) {
    if (letter == '/') {
      name += "%2F";
    } else if (letter == '%') {
      name += "%25";
    } else {
      name += letter;
    }
  }
  return name;
}

}  // namespace

PinRecord::PinRecord(const std::string& runtime_directory, const std::string& config_file)
    : file_(fs::path(runtime_directory) / "pins" / file_name(config_file)) {}

Result<std::vector<std::string>> PinRecord::list() const {
  std::vector<std::string> pin_dirs;
  struct stat status {};
  if (stat(file_.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return pin_dirs;
    return fail_errno("cannot look for " + file_.string(), errno);
  }
  std::ifstream file(file_);
  if (!file) return fail_errno("cannot read " + file_.string(), errno);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('/')) pin_dirs.push_back(line);
  }
  return pin_dirs;
}

Result<void> PinRecord::add(const std::string& pin_dir) const {
  auto pin_dirs = list();
  if (!pin_dirs) return tl::unexpected(pin_dirs.error());
  std::erase(*pin_dirs, pin_dir);
  pin_dirs->push_back(pin_dir);
  return write(*pin_dirs);
}

Result<void> PinRecord::strike(const std::string& pin_dir) const {
  auto pin_dirs = list();
  if (!pin_dirs) return tl::unexpected(pin_dirs.error());
  if (std::erase(*pin_dirs, pin_dir) == 0) return {};
  return write(*pin_dirs);
}

Result<void> PinRecord::write(const std::vector<std::string>& pin_dirs) const {
  if (pin_dirs.empty()) {
    if (unlink(file_.c_str()) == 0 || errno == ENOENT) return {};
    return fail_errno("cannot remove " + file_.string(), errno);
  }
  for (const fs::path& directory : {file_.parent_path().parent_path(), file_.parent_path()}) {
    const mode_t mode = directory == file_.parent_path() ? 0700 : 0750;
    if (mkdir(directory.c_str(), mode) != 0 && errno != EEXIST) {
      return fail_errno("cannot make " + directory.string(), errno);
    }
  }
  const fs::path next = file_.string() + ".next";
  std::ofstream file(next, std::ios::trunc);
  for (const std::string& pin_dir : pin_dirs) file << pin_dir << '\n';
  file.close();
  if (!file) return fail_errno("cannot write " + next.string(), errno);
  if (std::rename(next.c_str(), file_.c_str()) == 0) return {};
  return fail_errno("cannot put " + next.string() + " in its place", errno);
}

}  // namespace headgate::kernel
