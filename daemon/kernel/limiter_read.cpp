// SPDX-License-Identifier: Apache-2.0
// How a Limiter reads back what the kernel has counted.
#include <algorithm>
#include <tuple>

#include "bpf/window.h"
#include "daemon/kernel/address.h"
#include "daemon/kernel/clock.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {
namespace {

// Window lengths by rule, of the policy in force.
std::map<policy::RuleId, std::uint64_t> window_lengths(const policy::Policy& policy) {
  std::map<policy::RuleId, std::uint64_t> lengths;
  for (const auto& [id, rule] : policy.rules) lengths[id] = rule.limits.handshake_timeout_ns;
  return lengths;
}

std::uint32_t windows_now(std::uint64_t word, std::uint64_t window_length_ns) {
  const hg_windows windows =
      hg_unpack_windows(word, hg_window_number(monotonic_ns(), window_length_ns));
  return windows.current + windows.previous;
}

// Connections a second, over the last HG_OPENED_WINDOW_NS: the part of the previous window that is
// not that old is taken as its share of it.
double rate_now(std::uint64_t word) {
  const std::uint64_t now = monotonic_ns();
  const hg_windows windows = hg_unpack_windows(word, hg_window_number(now, HG_OPENED_WINDOW_NS));
  const double length = HG_OPENED_WINDOW_NS;
  const double left = 1.0 - static_cast<double>(now % HG_OPENED_WINDOW_NS) / length;
  return (windows.current + windows.previous * left) / (length / 1e9);
}

hg_rule_stats sum(const std::vector<hg_rule_stats>& cpus) {
  hg_rule_stats all{};
  for (const hg_rule_stats& cpu : cpus) {
    all.admitted += cpu.admitted;
    for (int action = 0; action < HG_ACTIONS; ++action) {
      for (int reason = 0; reason < HG_REASON_SLOTS; ++reason) {
        all.refused[action][reason] += cpu.refused[action][reason];
      }
    }
    all.overshoot += cpu.overshoot;
    all.untracked += cpu.untracked;
    all.adopted += cpu.adopted;
    all.penalties += cpu.penalties;
  }
  return all;
}

}  // namespace

// Over all the namespaces.
hg_totals Limiter::totals_of_rule(policy::RuleId id) const {
  hg_totals sum{};
  for (const std::uint32_t netns : kernel_->numbers()) {
    const hg_totals* const one = kernel_->totals.at(netns * HG_MAX_RULES + id);
    sum.connections += __atomic_load_n(&one->connections, __ATOMIC_RELAXED);
    sum.clients += __atomic_load_n(&one->clients, __ATOMIC_RELAXED);
    sum.networks += __atomic_load_n(&one->networks, __ATOMIC_RELAXED);
  }
  return sum;
}

// Connections of the rules in force that were not counted, or not for their clients.
Result<std::uint64_t> Limiter::count_untracked() const {
  std::uint64_t untracked = 0;
  for (const auto& [id, rule] : kernel_->policy_in_force()->rules) {
    const auto stats = read_cpu_entries<hg_rule_stats>(kernel_->limiter->maps.stats, id);
    if (!stats) return tl::unexpected(stats.error());
    untracked += sum(*stats).untracked;
  }
  return untracked;
}

Result<Counts> Limiter::counts() const {
  Counts counts;
  const auto& maps = kernel_->limiter->maps;
  const auto lengths = window_lengths(*kernel_->policy_in_force());
  TableFill connections{"connections", 0, kernel_->settings.tables.connections};
  TableFill clients{"clients", 0, bpf_map__max_entries(maps.clients)};
  for (const auto& [id, length] : lengths) {
    const hg_totals totals = totals_of_rule(id);
    const auto stats = read_cpu_entries<hg_rule_stats>(maps.stats, id);
    if (!stats) return tl::unexpected(stats.error());
    counts.rules[id] = RuleCounts{totals.connections, totals.clients, 0, sum(*stats)};
    connections.entries += totals.connections;
    clients.entries += totals.clients + totals.networks;
  }
  // The kernel tells neither how full an LRU map is nor the half-open connections of a whole rule.
  TableFill recent{"recent", 0, bpf_map__max_entries(maps.recent)};
  auto seen = visit_entries<hg_client_key, hg_recent>(
      maps.recent, [&](const hg_client_key& key, const hg_recent& entry) {
        ++recent.entries;
        const auto length = lengths.find(key.rule);
        if (length == lengths.end() || key.level != HG_LEVEL_CLIENT) return;
        counts.rules[key.rule].half_open += windows_now(entry.half_open, length->second);
      });
  if (!seen) return tl::unexpected(seen.error());
  TableFill penalties{"penalties", 0, bpf_map__max_entries(maps.penalties)};
  seen = visit_entries<hg_client_key, hg_penalty>(
      maps.penalties, [&](const hg_client_key&, const hg_penalty&) { ++penalties.entries; });
  if (!seen) return tl::unexpected(seen.error());
  counts.tables = {connections, clients, recent, penalties};
  return counts;
}

Result<std::vector<ClientCount>> Limiter::clients() const {
  using Client = std::tuple<std::uint32_t, policy::RuleId, IpAddress>;
  std::map<Client, ClientCount> found;
  const auto count_of = [&found](const hg_client_key& key) -> ClientCount& {
    const IpAddress address = to_ip(key.address);
    ClientCount& client = found[{key.netns, key.rule, address}];
    client.netns = key.netns;
    client.rule = key.rule;
    client.address = address;
    return client;
  };
  const auto& maps = kernel_->limiter->maps;
  const auto lengths = window_lengths(*kernel_->policy_in_force());
  auto seen = visit_entries<hg_client_key, hg_client>(
      maps.clients, [&](const hg_client_key& key, const hg_client& client) {
        const auto connections = static_cast<std::uint32_t>(client.state);
        if (key.level != HG_LEVEL_CLIENT || connections == 0 || connections == HG_DEAD) return;
        count_of(key).connections += connections;
      });
  if (!seen) return tl::unexpected(seen.error());
  seen = visit_entries<hg_client_key, hg_recent>(
      maps.recent, [&](const hg_client_key& key, const hg_recent& entry) {
        const auto length = lengths.find(key.rule);
        if (length == lengths.end() || key.level != HG_LEVEL_CLIENT) return;
        const std::uint32_t half_open = windows_now(entry.half_open, length->second);
        const double rate = rate_now(entry.opened);
        if (half_open == 0 && entry.refused == 0 && rate == 0) return;
        ClientCount& client = count_of(key);
        client.half_open = half_open;
        client.refused = entry.refused;
        client.rate = rate;
      });
  if (!seen) return tl::unexpected(seen.error());
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
