// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/path.h"

namespace headgate::config {

std::string plain_path(std::string_view path) {
  std::string plain;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (!name.empty() && name != ".") plain += (plain.empty() ? "" : "/") + std::string(name);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return plain;
}

}  // namespace headgate::config
