// SPDX-License-Identifier: Apache-2.0
// What a Limiter lends to the front line: its maps.
#include <algorithm>
#include <vector>

#include "daemon/kernel/limiter.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {

Result<FrontProgram> Limiter::open_front(std::uint64_t netns_cookie,
                                         std::uint32_t interface) const {
  const auto limited = kernel_->find(netns_cookie);
  if (!limited) return fail(ErrorCode::kNotFound, "that network namespace is not limited");
  if (interface >= HG_MAX_INTERFACES) {
    return fail(ErrorCode::kInvalidArgument,
                "at most " + std::to_string(HG_MAX_INTERFACES) + " interfaces have a front line");
  }
  return kernel::open_front({interface, netns_cookie, limited->id}, *kernel_->limiter);
}

Result<void> Limiter::set_links(std::uint32_t interface, const std::vector<FrontLink>& links) {
  const bpf_map* const map = kernel_->limiter->maps.links;
  std::vector<hg_link_key> stale;
  auto seen = visit_entries<hg_link_key, hg_link>(map, [&](const hg_link_key& key, const hg_link&) {
    const auto is_this = [&key](const FrontLink& one) {
      return one.outer_vlan == key.vlan[0] && one.inner_vlan == key.vlan[1];
    };
    if (key.interface == interface && std::none_of(links.begin(), links.end(), is_this)) {
      stale.push_back(key);
    }
  });
  if (!seen) return seen;
  for (const hg_link_key& key : stale) {
    if (auto removed = remove_entry(map, key); !removed) return removed;
  }
  for (const FrontLink& one : links) {
    const hg_link_key key{interface, {one.outer_vlan, one.inner_vlan}};
    if (auto written = write_entry(map, key, one.link); !written) return written;
  }
  return {};
}

Result<hg_front_stats> Limiter::front_counts(std::uint32_t interface) const {
  const auto cpus = read_cpu_entries<hg_front_stats>(kernel_->limiter->maps.front_stats, interface);
  if (!cpus) return tl::unexpected(cpus.error());
  hg_front_stats sum{};
  for (const hg_front_stats& cpu : *cpus) {
    for (std::size_t verdict = 0; verdict < HG_FRONT_VERDICT_END; ++verdict) {
      for (std::size_t reason = 0; reason < HG_FRONT_REASONS; ++reason) {
        sum.packets[verdict][reason] += cpu.packets[verdict][reason];
      }
    }
  }
  return sum;
}

}  // namespace headgate::kernel
