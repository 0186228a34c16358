// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/flow_text.h"

#include <algorithm>

namespace headgate::config {
namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Fewer texts than YAML would take, so that no version of it reads one differently.
bool is_plain(std::string_view text) {
  constexpr std::string_view kInside = "_.-/";
  const bool safe = std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter_or_digit(c) || kInside.find(c) != std::string_view::npos;
  });
  const bool is_null = text == "null" || text == "Null" || text == "NULL";
  const bool begins_plain =
      !text.empty() && (is_letter_or_digit(text.front()) || text.front() == '/');
  return begins_plain && safe && !is_null;
}

}  // namespace

std::string quoted_text(std::string_view text, std::string_view escape) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += escape;
      out += {kHex[byte >> 4U], kHex[byte & 0xfU]};
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string scalar_text(std::string_view text) {
  return is_plain(text) ? std::string(text) : quoted_text(text);
}

std::string to_flow_text(const Node& node) {
  const Content& content = *node.content;
  std::string out;
  switch (content.kind) {
    case NodeKind::kEmpty:
      return "~";
    case NodeKind::kScalar:
      return content.plain ? scalar_text(content.text) : quoted_text(content.text);
    case NodeKind::kList:
      for (const Node& item : content.items) out += (out.empty() ? "" : ", ") + to_flow_text(item);
      return "[" + out + "]";
    case NodeKind::kMap:
      break;
  }
  if (content.entries.empty()) return "{}";
  for (const Entry& entry : content.entries) {
    out += (out.empty() ? "" : ", ") + scalar_text(entry.key) + ": " + to_flow_text(entry.value);
  }
  return "{ " + out + " }";
}

}  // namespace headgate::config
