// SPDX-License-Identifier: Apache-2.0
#include <unordered_map>

#include "daemon/config/error.h"
#include "daemon/config/readers.h"

namespace headgate::config {
namespace {

Result<std::vector<std::string>> read_paths(const Value& list) {
  std::vector<std::string> paths;
  std::unordered_map<std::string, Position> first;
  const auto read = [&](const Value& item) -> Result<void> {
    if (item.is(kAll)) {
      return item.fail("'netns' has 'all' in a list; 'netns: all' by itself would be right");
    }
    Result<std::string> path = item.absolute_path(kMaxPathBytes, {kSelf});
    if (!path) return tl::unexpected(std::move(path).error());
    const auto [place, is_new] = first.emplace(*path, item.position());
    if (!is_new) {
      return item.fail("duplicate namespace " + quote(*path) + ", first at line " +
                       std::to_string(place->second.line) + "; each once would be right");
    }
    paths.push_back(*std::move(path));
    return {};
  };
  Result<void> done = read_list(list, read);
  if (!done) return tl::unexpected(std::move(done).error());
  return paths;
}

}  // namespace

Result<void> read_netns(const Value& value, Namespaces& into) {
  constexpr std::string_view kList = "a list such as [self, /run/netns/web]";
  const std::size_t count = value.content().items.size();
  switch (value.content().kind) {
    case NodeKind::kScalar: {
      into.is_all = value.is(kAll);
      into.paths.clear();
      if (into.is_all) return {};
      Result<std::string> path = value.absolute_path(kMaxPathBytes, {kSelf, kAll});
      if (!path) return tl::unexpected(std::move(path).error());
      into.paths.push_back(*std::move(path));
      return {};
    }
    case NodeKind::kList:
      if (count == 0) {
        return value.fail("'netns' is an empty list; " + std::string(kList) + " would be right");
      }
      if (count > kMaxNamespaces) {
        return value.fail("'netns' has " + std::to_string(count) + " namespaces; at most " +
                          std::to_string(kMaxNamespaces) + " would be right");
      }
      return store(into.paths, read_paths(value));
    case NodeKind::kEmpty:
    case NodeKind::kMap:
      break;
  }
  return value.fail_expecting("'self', 'all', an absolute path or " + std::string(kList));
}

}  // namespace headgate::config
