// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/merge_keys.h"

#include <unordered_set>
#include <utility>

#include "daemon/config/error.h"

namespace headgate::config {
namespace {

constexpr std::string_view kMergeKey = "<<";

// Adds what `base` has more.
Result<void> merge(const Node& base, const std::string& file, std::unordered_set<std::string>& keys,
                   std::vector<Entry>& into) {
  if (base.content->kind != NodeKind::kMap) {
    return fail_at(file, base.position,
                   "what '<<' merges is not a map; an alias of a map such as '<<: *base' would be "
                   "right");
  }
  const Result<Node> expanded = expand_merge_keys(base, file);
  if (!expanded) return tl::unexpected(expanded.error());
  for (const Entry& entry : expanded->content->entries) {
    if (keys.insert(entry.key).second) into.push_back(entry);
  }
  return {};
}

Result<void> merge_all(const Entry& merged, const std::string& file,
                       std::unordered_set<std::string>& keys, std::vector<Entry>& into) {
  if (merged.value.content->kind != NodeKind::kList) return merge(merged.value, file, keys, into);
  for (const Node& base : merged.value.content->items) {
    Result<void> done = merge(base, file, keys, into);
    if (!done) return done;
  }
  return {};
}

Result<Content> expand_map(const Content& map, const std::string& file) {
  Content content;
  content.kind = NodeKind::kMap;
  content.nodes = map.nodes;
  content.height = map.height;
  std::unordered_set<std::string> keys;
  for (const Entry& entry : map.entries) {
    if (entry.key == kMergeKey) continue;
    Result<Node> value = expand_merge_keys(entry.value, file);
    if (!value) return tl::unexpected(std::move(value).error());
    keys.insert(entry.key);
    content.entries.push_back({entry.key, entry.position, *std::move(value)});
  }
  if (const Entry* const merged = find_entry(map, kMergeKey)) {
    Result<void> done = merge_all(*merged, file, keys, content.entries);
    if (!done) return tl::unexpected(std::move(done).error());
  }
  return content;
}

Result<Content> expand_list(const Content& list, const std::string& file) {
  Content content;
  content.kind = NodeKind::kList;
  content.nodes = list.nodes;
  content.height = list.height;
  for (const Node& item : list.items) {
    Result<Node> expanded = expand_merge_keys(item, file);
    if (!expanded) return tl::unexpected(std::move(expanded).error());
    content.items.push_back(*std::move(expanded));
  }
  return content;
}

}  // namespace

Result<Node> expand_merge_keys(const Node& node, const std::string& file) {
  const Content& content = *node.content;
  if (content.kind == NodeKind::kEmpty || content.kind == NodeKind::kScalar) return node;
  Result<Content> expanded =
      content.kind == NodeKind::kMap ? expand_map(content, file) : expand_list(content, file);
  if (!expanded) return tl::unexpected(std::move(expanded).error());
  return Node{node.position, std::make_shared<const Content>(*std::move(expanded)), node.origin};
}

}  // namespace headgate::config
