// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/namespaces.h"

#include "daemon/config/flow_text.h"
#include "daemon/config/words.h"

namespace headgate::config {

std::string to_string(const Namespaces& namespaces) {
  if (namespaces.is_all) return std::string(kAll);
  if (namespaces.paths.size() == 1) return scalar_text(namespaces.paths.front());
  std::string text;
  for (const std::string& path : namespaces.paths) {
    text += (text.empty() ? "" : ", ") + scalar_text(path);
  }
  return "[" + text + "]";
}

}  // namespace headgate::config
