// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/error.h"

#include <algorithm>

namespace headgate::config {
namespace {

constexpr std::size_t kMaxQuotedBytes = 80;

bool is_utf8_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U;
}

}  // namespace

std::string where(const std::string& file, Position position) {
  return file + ":" + std::to_string(position.line) + ":" + std::to_string(position.column);
}

tl::unexpected<Error> fail_at(const std::string& file, Position position,
                              std::string_view message) {
  return fail(ErrorCode::kInvalidArgument, where(file, position) + ": " + std::string(message));
}

std::string printable(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::size_t end = std::min(text.size(), kMaxQuotedBytes);
  while (end < text.size() && end > 0 && is_utf8_continuation(text[end])) --end;
  std::string out;
  for (const char c : text.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += {'\\', 'x', kHex[byte >> 4U], kHex[byte & 0xfU]};
    } else {
      out += c;
    }
  }
  return out + (end < text.size() ? "…" : "");
}

std::string quote(std::string_view text) {
  return "'" + printable(text) + "'";
}

}  // namespace headgate::config
