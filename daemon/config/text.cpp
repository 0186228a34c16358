// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/text.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "daemon/config/error.h"

namespace headgate::config {
namespace {

// The well-formed byte sequences of UTF-8 (The Unicode Standard, table 3-7), by first byte.
struct Sequence {
  std::uint8_t first_low, first_high;
  std::uint8_t second_low, second_high;
  std::size_t length;
};
constexpr std::array<Sequence, 8> kSequences = {{{0xc2, 0xdf, 0x80, 0xbf, 2},
                                                 {0xe0, 0xe0, 0xa0, 0xbf, 3},
                                                 {0xe1, 0xec, 0x80, 0xbf, 3},
                                                 {0xed, 0xed, 0x80, 0x9f, 3},
                                                 {0xee, 0xef, 0x80, 0xbf, 3},
                                                 {0xf0, 0xf0, 0x90, 0xbf, 4},
                                                 {0xf1, 0xf3, 0x80, 0xbf, 4},
                                                 {0xf4, 0xf4, 0x80, 0x8f, 4}}};

bool in_range(char byte, std::uint8_t low, std::uint8_t high) {
  const auto value = static_cast<std::uint8_t>(byte);
  return low <= value && value <= high;
}

// Bytes of the multi-byte character that `text` begins with; 0 if it is not well-formed.
std::size_t multibyte_length(std::string_view text) {
  for (const Sequence& sequence : kSequences) {
    if (!in_range(text[0], sequence.first_low, sequence.first_high)) continue;
    if (text.size() < sequence.length) return 0;
    if (!in_range(text[1], sequence.second_low, sequence.second_high)) return 0;
    for (const char byte : text.substr(2, sequence.length - 2)) {
      if (!in_range(byte, 0x80, 0xbf)) return 0;
    }
    return sequence.length;
  }
  return 0;
}

bool is_allowed_ascii(char c) {
  return c == '\t' || c == '\n' || c == '\r' || in_range(c, 0x20, 0x7e);
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
    const bool ascii = in_range(c, 0x00, 0x7f);
    const std::size_t length =
        ascii ? (is_allowed_ascii(c) ? 1 : 0) : multibyte_length(text.substr(offset));
    if (length == 0) {
      const std::string wrong = ascii ? " is a control character" : " is not valid UTF-8";
      return fail_at(file, position_of(text, offset),
                     "byte " + hex(c) + wrong + "; a YAML file in UTF-8 would be right");
    }
    offset += length;
  }
  return {};
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = in_range(text[0], 0x00, 0x7f) ? 1 : multibyte_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace headgate::config
