// SPDX-License-Identifier: Apache-2.0
// How a Limiter reads back what the kernel has counted.
#include <algorithm>
#include <chrono>
#include <tuple>

#include "bpf/window.h"
#include "daemon/kernel/address.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {
namespace {

std::uint64_t monotonic_ns() {
  // std::chrono::steady_clock is CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns().
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

std::uint32_t half_open_now(const hg_half_open& slot, std::uint64_t window_length_ns) {
  const hg_windows windows =
      hg_unpack_windows(slot.windows, hg_window_number(monotonic_ns(), window_length_ns));
  return windows.current + windows.previous;
}

hg_rule_stats sum(const std::vector<hg_rule_stats>& cpus) {
  hg_rule_stats all{};
  for (const hg_rule_stats& cpu : cpus) {
    all.admitted += cpu.admitted;
    for (int reason = 0; reason < HG_REASON_SLOTS; ++reason) {
      all.refused[reason] += cpu.refused[reason];
    }
    all.overshoot += cpu.overshoot;
    all.untracked += cpu.untracked;
    all.adopted += cpu.adopted;
  }
  return all;
}

}  // namespace

Result<Counts> Limiter::counts() const {
  Counts counts;
  TableFill connections{"connections", 0, kernel_->connection_capacity};
  TableFill clients{"clients", 0, bpf_map__max_entries(kernel_->limiter->maps.clients)};
  const auto& maps = kernel_->limiter->maps;
  for (const auto& [id, window_length_ns] : kernel_->window_lengths_ns) {
    const auto totals = read_entry<hg_totals>(maps.totals, id);
    if (!totals) return tl::unexpected(totals.error());
    const auto stats = read_cpu_entries<hg_rule_stats>(maps.stats, id);
    if (!stats) return tl::unexpected(stats.error());
    counts.rules[id] = RuleCounts{totals->connections, totals->clients, 0, sum(*stats)};
    connections.entries += totals->connections;
    clients.entries += totals->clients;
  }
  // The kernel tells neither how full an LRU map is nor the half-open connections of a whole rule.
  TableFill half_open{"half_open", 0, bpf_map__max_entries(maps.half_open)};
  const std::function<void(const hg_client_key&, const hg_half_open&)> add =
      [&](const hg_client_key& key, const hg_half_open& slot) {
        ++half_open.entries;
        const auto length = kernel_->window_lengths_ns.find(key.rule);
        if (length == kernel_->window_lengths_ns.end()) return;
        counts.rules[key.rule].half_open += half_open_now(slot, length->second);
      };
  if (auto read = visit_entries(maps.half_open, add); !read) return tl::unexpected(read.error());
  counts.tables = {connections, clients, half_open};
  return counts;
}

Result<std::vector<ClientCount>> Limiter::clients() const {
  using Client = std::tuple<policy::RuleId, IpAddress>;
  std::map<Client, ClientCount> found;
  const auto count_of = [&found](const hg_client_key& key) -> ClientCount& {
    const IpAddress address = to_ip(key.address);
    ClientCount& client = found[{key.rule, address}];
    client.rule = key.rule;
    client.address = address;
    return client;
  };
  const auto& maps = kernel_->limiter->maps;
  const std::function<void(const hg_client_key&, const hg_client&)> add_established =
      [&](const hg_client_key& key, const hg_client& client) {
        const auto connections = static_cast<std::uint32_t>(client.state);
        if (connections > 0 && connections != HG_DEAD) count_of(key).connections += connections;
      };
  const std::function<void(const hg_client_key&, const hg_half_open&)> add_half_open =
      [&](const hg_client_key& key, const hg_half_open& slot) {
        const auto length = kernel_->window_lengths_ns.find(key.rule);
        if (length == kernel_->window_lengths_ns.end()) return;
        const std::uint32_t now = half_open_now(slot, length->second);
        if (now > 0) count_of(key).half_open = now;
      };
  if (auto read = visit_entries(maps.clients, add_established); !read) {
    return tl::unexpected(read.error());
  }
  if (auto read = visit_entries(maps.half_open, add_half_open); !read) {
    return tl::unexpected(read.error());
  }
  std::vector<ClientCount> clients;
  clients.reserve(found.size());
  for (const auto& [key, client] : found) clients.push_back(client);
  return clients;
}

Result<EventLosses> Limiter::losses() const {
  const auto cpus = read_cpu_entries<hg_event_budget>(kernel_->limiter->maps.event_budget, 0);
  if (!cpus) return tl::unexpected(cpus.error());
  EventLosses losses;
  for (const hg_event_budget& cpu : *cpus) {
    losses.suppressed += cpu.suppressed_total;
    losses.lost += cpu.lost;
  }
  return losses;
}

}  // namespace headgate::kernel
