// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/json_text.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "daemon/config/flow_text.h"
#include "daemon/config/yaml11.h"

namespace headgate::config {
namespace {

std::string quoted(std::string_view text) {
  return quoted_text(text, "\\u00");
}

// JSON has no number that is infinite or none.
std::string number_text(const std::string& text) {
  const char* const begin = text.data() + (text.front() == '+' ? 1 : 0);
  const char* const end = text.data() + text.size();
  double number = 0;
  const auto [parsed_to, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || parsed_to != end || !std::isfinite(number)) return quoted(text);
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), number).ptr};
}

std::string scalar(const Content& content) {
  if (!content.plain) return quoted(content.text);
  if (const std::optional<std::int64_t> number = yaml11_integer(content.text)) {
    return std::to_string(*number);
  }
  if (const std::optional<bool> truth = yaml11_truth(content.text)) {
    return *truth ? "true" : "false";
  }
  return is_yaml11_float(content.text) ? number_text(content.text) : quoted(content.text);
}

}  // namespace

std::string to_json(const Node& node) {
  const Content& content = *node.content;
  std::string out;
  switch (content.kind) {
    case NodeKind::kEmpty:
      return "null";
    case NodeKind::kScalar:
      return scalar(content);
    case NodeKind::kList:
      for (const Node& item : content.items) out += (out.empty() ? "" : ",") + to_json(item);
      return "[" + out + "]";
    case NodeKind::kMap:
      break;
  }
  for (const Entry& entry : content.entries) {
    out += (out.empty() ? "" : ",") + quoted(entry.key) + ":" + to_json(entry.value);
  }
  return "{" + out + "}";
}

}  // namespace headgate::config
