// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/mountinfo.h"

#include <fstream>
#include <optional>
#include <sstream>

namespace headgate::kernel {
namespace {

bool is_octal(char digit) {
  return digit >= '0' && digit <= '7';
}

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(const std::string& field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size() && is_octal(field[i + 1]) &&
        is_octal(field[i + 2]) && is_octal(field[i + 3])) {
      text += static_cast<char>(std::stoi(field.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      text += field[i];
    }
  }
  return text;
}

bool is_read_only(const std::string& options) {
  return options == "ro" || options.rfind("ro,", 0) == 0;
}

// id parent major:minor root mount-point options [optional fields…] - type source super-options
std::optional<Mount> parse_line(const std::string& line) {
  const std::size_t separator = line.find(" - ");
  if (separator == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(0, separator));
  std::istringstream rest(line.substr(separator + 3));
  std::string skipped;
  std::string options;
  std::string super_options;
  Mount mount;
  fields >> skipped >> skipped >> skipped >> mount.root >> mount.point >> options;
  rest >> mount.type >> skipped >> super_options;
  if (!fields || mount.type.empty()) return std::nullopt;
  mount.root = unescape(mount.root);
  mount.point = unescape(mount.point);
  mount.is_read_only = is_read_only(options) || is_read_only(super_options);
  return mount;
}

bool is_on(const std::string& path, const std::string& point) {
  if (point == "/") return true;
  return path.rfind(point, 0) == 0 && (path.size() == point.size() || path[point.size()] == '/');
}

}  // namespace

std::vector<Mount> parse_mountinfo(const std::string& mountinfo) {
  std::vector<Mount> mounts;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    if (auto mount = parse_line(line)) mounts.push_back(*std::move(mount));
  }
  return mounts;
}

std::string read_mountinfo() {
  std::ostringstream text;
  text << std::ifstream("/proc/self/mountinfo").rdbuf();
  return text.str();
}

const Mount* find_mount(const std::vector<Mount>& mounts, const std::string& path) {
  const Mount* found = nullptr;
  for (const Mount& mount : mounts) {
    if (!is_on(path, mount.point)) continue;
    if (found == nullptr || mount.point.size() >= found->point.size()) found = &mount;
  }
  return found;
}

}  // namespace headgate::kernel
