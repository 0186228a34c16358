// SPDX-License-Identifier: Apache-2.0
#include "cli/quota_input.h"

#include <utility>

namespace headgate::cli {
namespace {

// At commas without a backslash before them.
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      parts.emplace_back();
    } else if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') {
      parts.back() += text[++i];
    } else {
      parts.back() += text[i];
    }
  }
  return parts;
}

}  // namespace

Result<std::vector<EntryText>> read_entries(const std::string& text) {
  std::vector<EntryText> entries;
  for (const std::string& part : split(text)) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(ErrorCode::kInvalidArgument,
                  "'" + part +
                      "' is not KEY=VALUE; user=alice would be right, and \\, for a comma in a "
                      "value");
    }
    entries.push_back({part.substr(0, equals), part.substr(equals + 1)});
  }
  return entries;
}

}  // namespace headgate::cli
