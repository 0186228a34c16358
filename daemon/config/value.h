// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "daemon/config/document.h"
#include "daemon/config/words.h"

namespace headgate::config {

inline constexpr std::size_t kMaxPathBytes = 4095;   // PATH_MAX without the terminator
inline constexpr std::size_t kMaxSocketBytes = 107;  // sockaddr_un.sun_path without the terminator

// A node that is being given its meaning: it knows the file and the key it stands under, so that
// whoever reads it can say exactly what is wrong. Refers to `file` and `node`: both outlive it.
// Every reader below fails with kInvalidArgument, "file:line:col: …" or, for a value that a setting
// put there, "set RULE KEY=VALUE: …".
class Value {
 public:
  Value(const std::string& file, std::string name, const Node& node)
      : file_(&file), name_(std::move(name)), node_(&node) {}

  const std::string& file() const { return *file_; }
  const std::string& name() const { return name_; }  // "connections.per_client"; "" for the root
  const Node& node() const { return *node_; }
  const Content& content() const { return *node_->content; }
  Position position() const { return node_->position; }

  // A value below this one; `key` is empty for a list's item.
  Value child(std::string_view key, const Node& node) const;

  tl::unexpected<Error> fail(std::string_view message) const;
  // "'name' is (what it is); (expected) would be right"
  tl::unexpected<Error> fail_expecting(std::string_view expected) const;

  // Text, with or without quotes; never empty.
  Result<std::string> text(std::string_view expected) const;
  // Decimal digits without quotes, sign, leading zeros or underscores. `alternative` is what else
  // the caller takes there, for the message: " or 'unlimited'".
  Result<std::uint32_t> integer(std::uint32_t low, std::uint32_t high,
                                std::string_view alternative = "") const;
  // Decimal digits without quotes, with a point or without: 0.5, 200. Above 0, at most `high`.
  Result<double> decimal(double high) const;
  // A whole number and its unit: 500ms, 10s, 1m, 1h, 1d.
  Result<std::chrono::milliseconds> duration(std::chrono::milliseconds low,
                                             std::chrono::milliseconds high) const;
  // "/run/netns/web", at most max_bytes long, or one of `words`.
  Result<std::string> absolute_path(std::size_t max_bytes,
                                    std::initializer_list<std::string_view> words = {}) const;

  // An address or a prefix without host bits: 192.0.2.1, 10.0.0.0/8, "2001:db8::/32".
  Result<Prefix> prefix() const;

  // Is it this very text?
  bool is(std::string_view word) const {
    return content().kind == NodeKind::kScalar && content().text == word;
  }

  // `true` or `false`, without quotes.
  Result<bool> truth() const;

  // One of `words`. `alternative` is what else the caller takes there, for the message.
  template <typename T, std::size_t N>
  Result<T> choice(const Word<T> (&words)[N], std::string_view alternative = "") const {
    std::string expected;
    for (const auto& [word, meaning] : words) {
      if (is(word)) return meaning;
      expected += (expected.empty() ? "'" : " or '") + std::string(word) + "'";
    }
    return fail_expecting(expected + std::string(alternative));
  }

 private:
  std::string describe() const;

  const std::string* file_;
  std::string name_;
  const Node* node_;
};

// One key that a map may have, and what to do with its value.
struct Field {
  std::string_view key;
  std::function<Result<void>(const Value&)> read;
  bool required = false;
};

// Reads a map: refuses keys that are not in `fields`, then reads those present in the order of
// `fields`. `what` names the map in messages: "a rule".
Result<void> read_map(const Value& map, std::string_view what, const std::vector<Field>& fields);

// Calls `read` for each item of a list, in order.
Result<void> read_list(const Value& list, const std::function<Result<void>(const Value&)>& read);

// Puts what was read into its place.
template <typename To, typename From>
Result<void> store(To& to, Result<From> from) {
  if (!from) return tl::unexpected(std::move(from).error());
  to = static_cast<To>(*std::move(from));
  return {};
}

}  // namespace headgate::config
