// SPDX-License-Identifier: Apache-2.0
#include "common/utf8.h"

#include <array>
#include <cstdint>

namespace headgate {
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

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  if (in_range(text[0], 0x00, 0x7f)) return 1;
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

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace headgate
