// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/text.h"

#include <algorithm>
#include <cstdint>

#include "common/utf8.h"
#include "daemon/config/error.h"

namespace headgate::config {
namespace {

bool is_ascii(char c) {
  return static_cast<std::uint8_t>(c) < 0x80;
}

bool is_allowed_ascii(char c) {
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7e);
}

Position position_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t last_break = before.rfind('\n');
  const std::size_t column =
      last_break == std::string_view::npos ? offset + 1 : offset - last_break;
  return {static_cast<int>(line), static_cast<int>(column)};
}

std::string hex(char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto value = static_cast<std::uint8_t>(byte);
  return {'0', 'x', kDigits[value >> 4U], kDigits[value & 0xfU]};
}

}  // namespace

Result<void> check_text(std::string_view text, const std::string& file) {
  std::size_t offset = 0;
  while (offset < text.size()) {
    const char c = text[offset];
    const bool ascii = is_ascii(c);
    const std::size_t length =
        ascii ? (is_allowed_ascii(c) ? 1 : 0) : utf8_length(text.substr(offset));
    if (length == 0) {
      const std::string wrong = ascii ? " is a control character" : " is not valid UTF-8";
      return fail_at(file, position_of(text, offset),
                     "byte " + hex(c) + wrong + "; a YAML file in UTF-8 would be right");
    }
    offset += length;
  }
  return {};
}

}  // namespace headgate::config
