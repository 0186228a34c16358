// SPDX-License-Identifier: Apache-2.0
// What a Limiter lends to the front line: its maps.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "daemon/kernel/address.h"
#include "daemon/kernel/front_hook.h"
#include "daemon/kernel/front_removal.h"
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

std::vector<Front> Limiter::fronts() const {
  std::vector<Front> all;
  for (std::uint32_t number = 0; number < HG_MAX_INTERFACES; ++number) {
    const auto one = read_entry<hg_front>(kernel_->limiter->maps.fronts, number);
    if (one && one->netns_cookie != 0) all.push_back({number, one->netns_cookie, one->index});
  }
  return all;
}

Result<std::uint32_t> Limiter::give_front(std::uint64_t netns_cookie, std::uint32_t index) {
  std::array<bool, HG_MAX_INTERFACES> is_taken{};
  for (const Front& one : fronts()) {
    if (one.netns_cookie == netns_cookie && one.index == index) return one.number;
    is_taken[one.number] = true;
  }
  const auto free = std::find(is_taken.begin(), is_taken.end(), false);
  if (free == is_taken.end()) {
    return fail(ErrorCode::kUnavailable, "at most " + std::to_string(HG_MAX_INTERFACES) +
                                             " interfaces can have a front line");
  }
  const auto number = static_cast<std::uint32_t>(free - is_taken.begin());
  const auto& maps = kernel_->limiter->maps;
  const std::vector<hg_front_stats> none(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  if (bpf_map__update_elem(maps.front_stats, &number, sizeof(number), none.data(),
                           none.size() * sizeof(hg_front_stats), BPF_ANY) != 0) {
    return fail_errno("cannot write to map front_stats", errno);
  }
  auto written = write_entry(maps.fronts, number, hg_front{netns_cookie, index, 0});
  if (!written) return tl::unexpected(written.error());
  return number;
}

Result<void> Limiter::forget_front(std::uint32_t interface) {
  if (auto cleared = set_links(interface, {}); !cleared) return cleared;
  return write_entry(kernel_->limiter->maps.fronts, interface, hg_front{});
}

void Limiter::drop_foreign_fronts(const std::set<std::uint64_t>& netns_cookies) {
  FrontsByNamespace foreign;
  for (const Front& front : fronts()) {
    if (netns_cookies.count(front.netns_cookie) > 0) continue;
    foreign.emplace(front.netns_cookie, front.index);
    (void)forget_front(front.number);
  }
  if (!foreign.empty()) detach_elsewhere(std::move(foreign));
}

// In the namespaces that are limited. Returns from how many interfaces.
std::size_t Limiter::detach_fronts() {
  std::size_t removed = 0;
  for (const Front& front : fronts()) {
    const auto limited = kernel_->find(front.netns_cookie);
    if (!limited) continue;
    (void)limited->netns->run_inside([&]() -> Result<void> {
      const auto was_there = detach_front(front.index);
      if (was_there && *was_there) ++removed;
      return {};
    });
    (void)forget_front(front.number);
  }
  return removed;
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

void Limiter::set_syn_cookies(bool is_on) {
  kernel_->slots.set_syn_cookies(is_on);
}

Result<void> Limiter::set_addresses(std::uint64_t netns_cookie,
                                    const std::vector<IpAddress>& addresses) {
  const bpf_map* const map = kernel_->limiter->maps.addresses;
  std::set<IpAddress> missing(addresses.begin(), addresses.end());
  std::vector<hg_own_address> stale;
  auto seen = visit_entries<hg_own_address, std::uint32_t>(
      map, [&](const hg_own_address& key, std::uint32_t) {
        if (key.netns_cookie != netns_cookie) return;
        if (missing.erase(to_ip(key.address)) == 0) stale.push_back(key);
      });
  if (!seen) return seen;
  for (const hg_own_address& key : stale) {
    if (auto removed = remove_entry(map, key); !removed) return removed;
  }
  for (const IpAddress& address : missing) {
    const hg_own_address key{netns_cookie, to_abi(address)};
    if (auto written = write_entry(map, key, std::uint32_t{1}); !written) return written;
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
