// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/front_removal.h"

#include <bpf/bpf.h>

#include <vector>

#include "bpf/abi.h"
#include "common/unique_fd.h"
#include "daemon/kernel/front_hook.h"
#include "daemon/kernel/map_io.h"
#include "daemon/kernel/namespace_finder.h"
#include "daemon/kernel/netns.h"

namespace headgate::kernel {
namespace {

// A pinned map whose keys and values have these sizes; else nothing.
UniqueFd open_map(const std::string& state, const std::string& name, std::size_t key,
                  std::size_t value, std::uint32_t* id = nullptr) {
  UniqueFd map(bpf_obj_get((state + "/map_" + name).c_str()));
  bpf_map_info info{};
  std::uint32_t size = sizeof(info);
  if (!map || bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0) return {};
  if (info.key_size != key || info.value_size != value) return {};
  if (id != nullptr) *id = info.id;
  return map;
}

FrontsByNamespace read_fronts(const UniqueFd& map) {
  FrontsByNamespace found;
  for (std::uint32_t number = 0; number < HG_MAX_INTERFACES; ++number) {
    hg_front front{};
    if (bpf_map_lookup_elem(map.get(), &number, &front) != 0 || front.netns_cookie == 0) continue;
    found.emplace(front.netns_cookie, front.index);
  }
  return found;
}

// What is not linked is not judged.
Result<void> forget_links(const UniqueFd& map) {
  std::vector<hg_link_key> keys;
  auto seen =
      visit_keys<hg_link_key>(map.get(), "links", [&keys](const hg_link_key& key) -> Result<void> {
        keys.push_back(key);
        return {};
      });
  for (const hg_link_key& key : keys) bpf_map_delete_elem(map.get(), &key);
  return seen;
}

}  // namespace

std::size_t detach_elsewhere(FrontsByNamespace left, std::optional<std::uint32_t> map) {
  config::Namespaces all;
  all.is_all = true;
  all.paths.clear();
  std::size_t removed = 0;
  for (const FoundNamespace& found : find_namespaces(all).found) {
    if (left.empty()) break;
    const auto netns = NetworkNamespace::open(found.path);
    if (!netns) continue;
    const auto [begin, end] = left.equal_range(netns->cookie());
    if (begin == end) continue;
    (void)netns->run_inside([&, begin = begin, end = end]() -> Result<void> {
      for (auto one = begin; one != end; ++one) {
        const auto was_there = detach_front(one->second, map);
        if (was_there && *was_there) ++removed;
      }
      return {};
    });
    left.erase(begin, end);
  }
  return removed;
}

Result<std::size_t> remove_fronts(const std::string& state) {
  const UniqueFd fronts = open_map(state, "fronts", sizeof(__u32), sizeof(hg_front));
  std::uint32_t links_id = 0;
  const UniqueFd links = open_map(state, "links", sizeof(hg_link_key), sizeof(hg_link), &links_id);
  if (!fronts || !links) return 0;  // of a version that had none
  const FrontsByNamespace left = read_fronts(fronts);
  if (left.empty()) return 0;
  if (auto forgotten = forget_links(links); !forgotten) return tl::unexpected(forgotten.error());
  return detach_elsewhere(left, links_id);
}

}  // namespace headgate::kernel
