// SPDX-License-Identifier: Apache-2.0
#include "quota/rule_tree.h"

#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace headgate::quota {
namespace {

struct KeyValue {
  std::string_view key;
  std::string_view value;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

struct KeyValueHash {
  std::size_t operator()(const KeyValue& pair) const {
    const std::hash<std::string_view> hash;
    return hash(pair.key) * 31 + hash(pair.value);
  }
};

}  // namespace

struct RuleTree::Node {
  struct Exact {
    std::string key;
    std::string value;
    std::unique_ptr<Node> node;
  };
  struct Wildcard {
    std::string key;
    std::string pattern;
    std::unique_ptr<Node> node;
  };

  const LimitCore* limit = nullptr;
  std::vector<std::unique_ptr<Exact>> owned;  // that `exact` refers to
  std::unordered_map<KeyValue, const Exact*, KeyValueHash> exact;
  std::vector<Wildcard> wildcards;
  std::unordered_map<std::string, std::unique_ptr<Node>, TextHash, std::equal_to<>> bare;

  const Node* child(const Entry& entry) const {
    if (const auto found = exact.find({entry.key, entry.value}); found != exact.end()) {
      return found->second->node.get();
    }
    for (const Wildcard& one : wildcards) {
      if (one.key == entry.key && matches_wildcard(one.pattern, entry.value)) return one.node.get();
    }
    const auto found = bare.find(entry.key);
    return found != bare.end() ? found->second.get() : nullptr;
  }
};

RuleTree::RuleTree() : root_(std::make_unique<Node>()) {}
RuleTree::~RuleTree() = default;
RuleTree::RuleTree(RuleTree&&) noexcept = default;
RuleTree& RuleTree::operator=(RuleTree&&) noexcept = default;

RuleTree::Node& RuleTree::add(Node& parent, const std::string& key, const std::string* value,
                              const LimitCore* limit) {
  auto node = std::make_unique<Node>();
  node->limit = limit;
  Node& added = *node;
  if (value == nullptr) {
    parent.bare.emplace(key, std::move(node));
  } else if (value->find('*') != std::string::npos) {
    parent.wildcards.push_back({key, *value, std::move(node)});
  } else {
    parent.owned.push_back(
        std::make_unique<Node::Exact>(Node::Exact{key, *value, std::move(node)}));
    const Node::Exact& exact = *parent.owned.back();
    parent.exact.emplace(KeyValue{exact.key, exact.value}, &exact);
  }
  return added;
}

const LimitCore* RuleTree::find(EntrySpan entries) const {
  const Node* node = root_.get();
  for (const Entry& entry : entries) {
    node = node->child(entry);
    if (node == nullptr) return nullptr;
  }
  return node->limit;
}

// Each '*' takes as little as it can; if what follows does not match, the last one takes more.
bool matches_wildcard(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t in_text = 0;
  std::size_t last_star = std::string_view::npos;
  std::size_t star_text = 0;
  while (in_text < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      last_star = at++;
      star_text = in_text;
    } else if (at < pattern.size() && pattern[at] == text[in_text]) {
      ++at;
      ++in_text;
    } else if (last_star != std::string_view::npos) {
      at = last_star + 1;
      in_text = ++star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

}  // namespace headgate::quota
