// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/namespace_follower.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include <spdlog/spdlog.h>

namespace headgate::manage {
namespace {

using kernel::FoundNamespace;
using kernel::FoundNamespaces;

Result<kernel::NamedNamespace> open_found(const FoundNamespace& found) {
  auto netns = kernel::NetworkNamespace::open(found.path);
  if (!netns) return tl::unexpected(netns.error());
  return kernel::NamedNamespace{
      found.name, std::make_shared<const kernel::NetworkNamespace>(std::move(*netns))};
}

std::set<std::uint64_t> inodes_of(const std::vector<FoundNamespace>& all) {
  std::set<std::uint64_t> inodes;
  for (const FoundNamespace& one : all) inodes.insert(one.inode);
  return inodes;
}

}  // namespace

Result<std::vector<kernel::NamedNamespace>> NamespaceFollower::open() {
  std::vector<kernel::NamedNamespace> namespaces;
  for (const FoundNamespace& found : choose(kernel::find_namespaces(wanted_))) {
    const bool is_optional = wanted_.is_all && found.origin != kernel::NamespaceOrigin::kOwn;
    auto opened = open_found(found);
    if (!opened && !is_optional) return tl::unexpected(opened.error());
    // It has just gone, or what is there now is another one.
    if (!opened || opened->netns->inode() != found.inode) continue;
    opened->is_optional = is_optional;
    Known& known = known_[found.inode];
    known.name = found.name;
    known.path = found.path;
    known.cookie = opened->netns->cookie();
    known.is_limited = true;
    namespaces.push_back(*std::move(opened));
  }
  for (const std::string& path : wanted_.paths) {
    const auto is_it = [&path](const auto& netns) { return netns.name == path; };
    if (wanted_.is_all || std::any_of(namespaces.begin(), namespaces.end(), is_it)) continue;
    const auto missing = kernel::NetworkNamespace::open(path);
    if (missing) continue;  // it has another name, too, or has just come
    if (namespaces.empty()) return tl::unexpected(missing.error());
    spdlog::warn("{}: it is limited as soon as it is there", missing.error().to_string());
  }
  return namespaces;
}

void NamespaceFollower::begin(const kernel::Limiter& limiter) {
  std::set<std::uint64_t> limited;
  for (const auto& one : limiter.namespaces()) limited.insert(one.netns->inode());
  for (auto& [inode, known] : known_) known.is_limited = limited.count(inode) > 0;
}

bool NamespaceFollower::is_limited(std::uint64_t inode) const {
  const auto known = known_.find(inode);
  return known != known_.end() && known->second.is_limited;
}

// How many places there are for what is there: what cannot be seen keeps its own.
std::size_t NamespaceFollower::room(const FoundNamespaces& look) const {
  const std::set<std::uint64_t> there = inodes_of(look.found);
  const auto unseen = std::count_if(known_.begin(), known_.end(), [&there](const auto& one) {
    return one.second.is_limited && there.count(one.first) == 0;
  });
  return places_ - std::min(places_, static_cast<std::size_t>(unseen));
}

// The most trusted; among equals those that are limited already.
std::vector<FoundNamespace> NamespaceFollower::choose(const FoundNamespaces& look) const {
  std::vector<FoundNamespace> chosen;
  for (const FoundNamespace& found : look.found) {
    const auto known = known_.find(found.inode);
    if (known == known_.end() || known->second.is_limited || known->second.pause.is_over()) {
      chosen.push_back(found);
    }
  }
  const std::size_t at_most = room(look);
  if (chosen.size() <= at_most) return chosen;
  const auto rank = [this](const FoundNamespace& one) {
    return std::pair(one.origin, !is_limited(one.inode));
  };
  std::stable_sort(chosen.begin(), chosen.end(),
                   [&rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
  chosen.resize(at_most);
  return chosen;
}

Result<void> NamespaceFollower::follow(kernel::Limiter& limiter) {
  const FoundNamespaces look = kernel::find_namespaces(wanted_);
  note_missing(look, limiter);
  const std::vector<FoundNamespace> chosen = choose(look);
  make_room(look, chosen, limiter);
  for (const FoundNamespace& found : chosen) {
    if (!is_limited(found.inode)) add(found, limiter);
  }
  if (look.error) return tl::unexpected(*look.error);
  if (look.found.size() > room(look)) {
    return fail(ErrorCode::kUnavailable,
                "there are more network namespaces than tables.namespaces (" +
                    std::to_string(places_) +
                    "): not all are limited; a larger one, and a restart, would be right");
  }
  return {};
}

void NamespaceFollower::note_missing(const FoundNamespaces& look, kernel::Limiter& limiter) {
  const std::set<std::uint64_t> there = inodes_of(look.found);
  for (const FoundNamespace& found : look.found) {
    const auto known = known_.find(found.inode);
    if (known != known_.end()) known->second.path = found.path;
  }
  for (auto one = known_.begin(); one != known_.end();) {
    auto& [inode, known] = *one;
    const bool may_be_there = there.count(inode) > 0 || look.is_unknown(known.path);
    if (may_be_there || !known.is_missing) {
      known.is_missing = !may_be_there;
      ++one;
      continue;
    }
    limiter.remove_namespace(known.cookie);  // also one that only an earlier daemon could limit
    if (known.is_limited) spdlog::info("network namespace netns:[{}] has gone", inode);
    one = known_.erase(one);
  }
}

// Lets go of what others come before.
void NamespaceFollower::make_room(const FoundNamespaces& look,
                                  const std::vector<FoundNamespace>& chosen,
                                  kernel::Limiter& limiter) {
  const std::set<std::uint64_t> wanted = inodes_of(chosen);
  for (const FoundNamespace& found : look.found) {
    if (wanted.count(found.inode) > 0 || !is_limited(found.inode)) continue;
    limiter.remove_namespace(known_[found.inode].cookie);
    known_.erase(found.inode);
    spdlog::warn("network namespace {} is limited no more: tables.namespaces has no place for it",
                 found.name);
  }
}

void NamespaceFollower::add(const FoundNamespace& found, kernel::Limiter& limiter) {
  const auto opened = open_found(found);
  // What is there now is another one: it is known already, or found the next time.
  if (opened && opened->netns->inode() != found.inode) return;
  Known& known = known_[found.inode];
  known.name = found.name;
  known.path = found.path;
  Result<void> added;
  if (opened) {
    known.cookie = opened->netns->cookie();
    added = limiter.add_namespace(*opened);
  } else {
    added = tl::unexpected(opened.error());
  }
  if (added) {
    spdlog::info("network namespace {} is limited from now on", found.name);
    known.is_limited = true;
    known.is_told = false;
    known.pause = {};
    return;
  }
  // The first time, what cannot be opened may just be going.
  if (!known.is_told && (opened || known.pause.has_begun())) {
    spdlog::error("network namespace {} is not limited, but tried again: {}", found.name,
                  added.error().to_string());
    known.is_told = true;
  }
  known.pause.begin();
}

}  // namespace headgate::manage
