// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/yaml11.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

namespace headgate::config {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// "yes", "Yes" or "YES", but not "yEs".
bool is_word(std::string_view text, std::string_view word) {
  if (lower(text) != word) return false;
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto uppers = std::count_if(text.begin(), text.end(), is_upper);
  return uppers == 0 || (uppers == 1 && is_upper(text.front())) ||
         uppers == static_cast<std::ptrdiff_t>(text.size());
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  out.erase(std::remove(out.begin(), out.end(), '_'), out.end());
  return out;
}

struct Digits {
  std::string_view text;
  int base = 10;
};

Digits split_base(std::string_view text) {
  if (text.size() < 2 || text.front() != '0') return {text, 10};
  switch (text[1]) {
    case 'x':
    case 'X':
      return {text.substr(2), 16};
    case 'b':
    case 'B':
      return {text.substr(2), 2};
    case 'o':
    case 'O':
      return {text.substr(2), 8};
    default:
      return {text.substr(1), 8};
  }
}

// The library looks for a number only in text that begins as one.
bool begins_as_number(std::string_view text) {
  return !text.empty() && (is_digit(text.front()) || text.front() == '+' || text.front() == '-' ||
                           text.front() == '.');
}

std::size_t skip_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

// [-+]? ( .D+ | D+ (.D*)? ) ([eE][-+]?D+)?
bool is_decimal(std::string_view text) {
  std::size_t at = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
  const std::size_t whole = at;
  at = skip_digits(text, at);
  const bool has_whole = at > whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t part = ++at;
    at = skip_digits(text, at);
    if (!has_whole && at == part) return false;
  } else if (!has_whole) {
    return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t exponent = at;
    at = skip_digits(text, at);
    if (at == exponent) return false;
  }
  return at == text.size();
}

}  // namespace

std::optional<std::int64_t> yaml11_integer(std::string_view text) {
  if (!begins_as_number(text)) return std::nullopt;
  const std::string plain = without_underscores(text);
  std::string_view rest = plain;
  const bool is_negative = !rest.empty() && rest.front() == '-';
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) rest.remove_prefix(1);
  const Digits digits = split_base(rest);
  std::uint64_t number = 0;
  const char* const end = digits.text.data() + digits.text.size();
  const auto [parsed_to, error] = std::from_chars(digits.text.data(), end, number, digits.base);
  if (digits.text.empty() || error != std::errc() || parsed_to != end) return std::nullopt;
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (number > kMost + (is_negative ? 1 : 0)) return std::nullopt;
  return static_cast<std::int64_t>(is_negative ? 0 - number : number);
}

bool is_yaml11_float(std::string_view text) {
  if (!begins_as_number(text) || yaml11_integer(text)) return false;
  const std::string_view unsigned_text =
      text.front() == '+' || text.front() == '-' ? text.substr(1) : text;
  for (const std::string_view word : {".inf", ".Inf", ".INF"}) {
    if (unsigned_text == word) return true;
  }
  for (const std::string_view word : {".nan", ".NaN", ".NAN"}) {
    if (text == word) return true;
  }
  return is_decimal(without_underscores(text));
}

std::optional<bool> yaml11_truth(std::string_view text) {
  for (const std::string_view word : {"y", "yes", "true", "on"}) {
    if (is_word(text, word)) return true;
  }
  for (const std::string_view word : {"n", "no", "false", "off"}) {
    if (is_word(text, word)) return false;
  }
  return std::nullopt;
}

}  // namespace headgate::config
