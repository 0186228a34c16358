// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "quota/limit.h"

namespace headgate::quota {

// Finds the limit of a descriptor, level by level: the exact key and value first, then the values
// with wildcards in the order of the file, then the key alone; what has been chosen is not gone
// back on. The limit is that of the last level: a descriptor that is less deep than its rule has
// none. Immutable once it is built. Does not own the limits.
class RuleTree {
 public:
  RuleTree();
  ~RuleTree();
  RuleTree(RuleTree&&) noexcept;
  RuleTree& operator=(RuleTree&&) noexcept;

  struct Node;
  // The node for one rule below `parent`; each key and value once.
  Node& add(Node& parent, const std::string& key, const std::string* value, const LimitCore* limit);
  Node& root() { return *root_; }

  const LimitCore* find(EntrySpan entries) const;

 private:
  std::unique_ptr<Node> root_;
};

// '*' stands for any text, also none. All else for itself.
bool matches_wildcard(std::string_view pattern, std::string_view text);

}  // namespace headgate::quota
