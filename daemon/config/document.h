// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "daemon/config/config.h"

namespace headgate::config {

// What a YAML file says before anyone asks what it means: a tree of nodes that know their place.
// Unlike the YAML library's own tree it keeps quotes and duplicate keys visible.

enum class NodeKind { kEmpty, kScalar, kList, kMap };

struct Content;

// Cheap to copy: an alias shares the content of its anchor but has a position of its own.
// Invariant: content is never null.
struct Node {
  Position position;
  std::shared_ptr<const Content> content;
  // How messages name this value if it comes from a setting (overlay.h) and not from the file; null
  // otherwise. Outlives the tree.
  const std::string* origin = nullptr;
};

struct Entry {
  std::string key;
  Position position;  // of the key
  Node value;
};

struct Content {
  NodeKind kind = NodeKind::kEmpty;
  std::string text;            // kScalar
  bool plain = false;          // kScalar: written without quotes
  std::vector<Node> items;     // kList
  std::vector<Entry> entries;  // kMap, in file order; keys are unique
  std::size_t nodes = 1;       // in this tree with every alias expanded, itself included
  std::size_t height = 1;      // levels of this tree with every alias expanded
};

// Bounds on a document with every alias expanded. A real configuration is five levels deep.
inline constexpr std::size_t kMaxDepth = 16;
inline constexpr std::size_t kMaxNodes = 1'500'000;

// Brackets, braces and commas in the text, wherever they stand: the YAML library holds all of an
// outermost bracketed list or map in memory, some 250 bytes for each of them, before it tells
// anyone of the first.
inline constexpr std::size_t kMaxBrackets = 2'000'000;

// The entry of a map with this key; null if it has none.
const Entry* find_entry(const Content& map, std::string_view key);

// Parses exactly one YAML document. An empty one is a node of kind kEmpty. Errors are
// kInvalidArgument, "file:line:col: …": bad YAML, a bound exceeded, a duplicate key, a key that is
// not text, a tag, a second document.
Result<Node> parse_document(std::string_view text, const std::string& file);

}  // namespace headgate::config
