// SPDX-License-Identifier: Apache-2.0
// How a Limiter compares its counters with the open sockets, and makes them agree.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "daemon/kernel/address.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/map_io.h"
#include "daemon/policy/limits.h"

namespace headgate::kernel {
namespace {

// Connections come and go while the kernel lists them, so a difference counts only if it stays.
constexpr int kLooks = 8;
constexpr std::chrono::milliseconds kBetweenLooks{25};

struct ByBytes {
  bool operator()(const hg_client_key& a, const hg_client_key& b) const {
    return std::memcmp(&a, &b, sizeof(a)) < 0;
  }
};
// What a counter said before and after the live connections were looked at.
struct Pair {
  std::uint32_t before = 0;
  std::uint32_t after = 0;
  std::uint32_t live = 0;

  // By how much it is too high (or low): 0 if it may have been right all the time.
  std::int64_t difference() const {
    const std::int64_t low = std::min(before, after);
    const std::int64_t high = std::max(before, after);
    if (live < low) return low - live;
    if (live > high) return high - live;
    return 0;
  }
};
using Pairs = std::map<hg_client_key, Pair, ByBytes>;

hg_client_key make_key(const hg_connection& connection, hg_level level) {
  hg_client_key key{};
  key.rule = static_cast<__u16>(connection.rule);
  key.netns = static_cast<__u32>(connection.netns);
  key.level = static_cast<__u8>(level);
  return key;
}

// As network_of() in bpf/policy.h.
hg_address cut(hg_address address, std::uint8_t bits) {
  const hg_address mask = policy::mask_of(IpFamily::kIpv6, bits);
  for (int i = 0; i < 4; ++i) address.word[i] &= mask.word[i];
  return address;
}

// What this entry counts, at each level.
void add_entry(const hg_connection& entry, Pairs& pairs) {
  ++pairs[make_key(entry, HG_LEVEL_TOTAL)].live;
  if ((entry.flags & HG_CONNECTION_HAS_CLIENT) != 0) {
    hg_client_key client = make_key(entry, HG_LEVEL_CLIENT);
    client.address = entry.client;
    ++pairs[client].live;
  }
  if (entry.network_bits == HG_NO_NETWORK) return;
  hg_client_key network = make_key(entry, HG_LEVEL_NETWORK);
  network.address = cut(entry.client, static_cast<std::uint8_t>(entry.network_bits));
  ++pairs[network].live;
}

// A socket that has no entry and should have one: for each level that the policy counts.
hg_connection missing_entry(const hg_socket& socket) {
  hg_connection entry = socket.wanted;
  entry.flags = HG_CONNECTION_HAS_CLIENT;
  return entry;
}

// Differences that stay, with the same sign, over several looks. `look` takes one.
template <typename Look>
Result<Pairs> find_lasting(Look look) {
  Pairs lasting;
  for (int turn = 0; turn < kLooks; ++turn) {
    if (turn > 0) std::this_thread::sleep_for(kBetweenLooks);
    Result<Pairs> found = look();
    if (!found) return found;
    Pairs still;
    for (const auto& [key, now] : *found) {
      const std::int64_t difference = now.difference();
      if (difference == 0) continue;
      const auto before = lasting.find(key);
      if (turn == 0) {
        still[key] = now;
      } else if (before != lasting.end() && (before->second.difference() < 0) == (difference < 0)) {
        const bool was_less = std::abs(before->second.difference()) < std::abs(difference);
        still[key] = was_less ? before->second : now;
      }
    }
    lasting = std::move(still);
    if (lasting.empty()) break;
  }
  return lasting;
}

}  // namespace

// Tells what every counter says; an incarnation of a client at a time.
Result<void> Limiter::read_counters(
    const std::function<void(const hg_client_key&, std::uint32_t)>& tell) const {
  const auto numbers = kernel_->numbers();
  auto seen = visit_entries<hg_client_key, hg_client>(
      kernel_->limiter->maps.clients, [&](hg_client_key key, const hg_client& client) {
        const auto connections = static_cast<std::uint32_t>(client.state);
        if (connections == 0 || connections == HG_DEAD || numbers.count(key.netns) == 0) return;
        key.incarnation = 0;
        tell(key, connections);
      });
  if (!seen) return seen;
  for (const auto& [id, rule] : kernel_->policy_in_force()->rules) {
    for (const std::uint32_t netns : numbers) {
      hg_client_key key{};
      key.rule = id;
      key.level = HG_LEVEL_TOTAL;
      key.netns = netns;
      const hg_totals* const total = kernel_->totals.at(netns * HG_MAX_RULES + id);
      tell(key, __atomic_load_n(&total->connections, __ATOMIC_RELAXED));
    }
  }
  return {};
}

// What is open now; with those of `known` that the listing has missed: it may miss a connection
// when others next to it close.
Result<std::vector<hg_socket>> Limiter::list_surely(std::vector<hg_socket>& known) const {
  auto sockets = list_open();
  if (!sockets) return sockets;
  std::unordered_set<std::uint64_t> cookies;
  for (const hg_socket& socket : *sockets) cookies.insert(socket.cookie);
  for (const hg_socket& socket : known) {
    if (cookies.count(socket.cookie) > 0) continue;
    const auto limited = kernel_->find(socket.netns_cookie);
    if (!limited) continue;
    const auto is_open = limited->sockets.is_open(socket);
    if (is_open && *is_open) sockets->push_back(socket);
  }
  known = *sockets;
  return sockets;
}

// The caller holds `change`.
Result<Comparison> Limiter::compare_now() const {
  Comparison comparison;
  std::vector<hg_socket> known;
  const auto look = [&]() -> Result<Pairs> {
    const std::lock_guard lock(kernel_->walks);
    Pairs pairs;
    auto read = read_counters([&](const auto& key, auto count) { pairs[key].before += count; });
    if (!read) return tl::unexpected(read.error());
    auto sockets = list_surely(known);
    if (!sockets) return tl::unexpected(sockets.error());
    auto done = run_on(kernel_->limiter->progs.look_up, *sockets);
    if (!done) return tl::unexpected(done.error());
    // A full table leaves connections uncounted: that is no drift, and has a metric of its own.
    const auto untracked = count_untracked();
    if (!untracked) return tl::unexpected(untracked.error());
    const bool all_had_room = *untracked == kernel_->settled_untracked;
    std::set<std::pair<std::uint32_t, IpAddress>> clients;
    comparison.connections = 0;
    for (const hg_socket& socket : *sockets) {
      const bool has_entry = socket.counted.cookie == socket.cookie;
      if (has_entry && (socket.counted.flags & HG_CONNECTION_REPLY) != 0) continue;
      if (has_entry) {
        add_entry(socket.counted, pairs);
        ++comparison.connections;
        clients.emplace(static_cast<std::uint32_t>(socket.counted.netns),
                        to_ip(socket.counted.client));
      } else if (socket.is_ours != 0 && socket.wanted.rule != HG_NO_RULE && all_had_room) {
        add_entry(missing_entry(socket), pairs);
      }
    }
    comparison.clients = clients.size();
    read = read_counters([&](const auto& key, auto count) { pairs[key].after += count; });
    if (!read) return tl::unexpected(read.error());
    return pairs;
  };
  const auto lasting = find_lasting(look);
  if (!lasting) return tl::unexpected(lasting.error());
  for (const auto& [key, pair] : *lasting) {
    comparison.drift.push_back({key, pair.after, pair.live});
  }
  return comparison;
}

Result<Comparison> Limiter::compare() const {
  const std::lock_guard change(kernel_->change);
  return compare_now();
}

// Entries of the table of connections whose sockets are gone: their end was missed.
Result<void> Limiter::forget_stale_entries() {
  const std::lock_guard lock(kernel_->walks);
  const auto numbers = kernel_->numbers();
  std::unordered_map<std::uint64_t, hg_socket> stale;
  auto seen = visit_connections([&](const hg_connection& entry) {
    if (numbers.count(entry.netns) > 0) stale[entry.cookie].cookie = entry.cookie;
  });
  if (!seen) return seen;
  for (int look = 0; look < kLooks && !stale.empty(); ++look) {
    if (look > 0) std::this_thread::sleep_for(kBetweenLooks);
    const auto open = list_open();
    if (!open) return tl::unexpected(open.error());
    for (const hg_socket& socket : *open) stale.erase(socket.cookie);
  }
  std::vector<hg_socket> dead;
  for (const auto& [cookie, socket] : stale) dead.push_back(socket);
  return run_on(kernel_->limiter->progs.forget, dead);
}

// The entries of the table of connections, whoever's they are.
Result<void> Limiter::visit_connections(
    const std::function<void(const hg_connection&)>& visit) const {
  const auto see = [&visit](const auto&, const hg_connection& entry) {
    if (entry.cookie != 0 && entry.cookie != HG_COOKIE_BUSY) visit(entry);
  };
  const auto& maps = kernel_->limiter->maps;
  auto seen = visit_entries<std::uint32_t, hg_connection>(maps.connections, see);
  if (!seen) return seen;
  return visit_entries<std::uint64_t, hg_connection>(maps.more_connections, see);
}

// What a counter says must be what the entries that it counts add up to. Where it is not, and stays
// so, the counter is wrong: entries alone are added to it and taken off.
Result<void> Limiter::correct_counters() {
  const auto numbers = kernel_->numbers();
  const auto look = [&]() -> Result<Pairs> {
    Pairs pairs;
    auto read = read_counters([&](const auto& key, auto count) { pairs[key].before += count; });
    if (!read) return tl::unexpected(read.error());
    auto seen = visit_connections([&](const hg_connection& entry) {
      const bool is_reply = (entry.flags & HG_CONNECTION_REPLY) != 0;
      if (!is_reply && numbers.count(entry.netns) > 0) add_entry(entry, pairs);
    });
    if (!seen) return tl::unexpected(seen.error());
    read = read_counters([&](const auto& key, auto count) { pairs[key].after += count; });
    if (!read) return tl::unexpected(read.error());
    return pairs;
  };
  const auto wrong = find_lasting(look);
  if (!wrong) return tl::unexpected(wrong.error());
  for (const auto& [key, pair] : *wrong) {
    hg_correction correction{};
    correction.key = key;
    correction.connections = static_cast<__s32>(-pair.difference());
    const std::lock_guard lock(kernel_->walks);
    auto told = write_entry(kernel_->limiter->maps.correction, std::uint32_t{0}, correction);
    if (!told) return told;
    if (auto ran = run_once(kernel_->limiter->progs.correct); !ran) return ran;
  }
  return {};
}

Result<void> Limiter::repair() {
  const std::lock_guard change(kernel_->change);
  // While `change` is held nobody drops it.
  if (auto hooked = hook_adopted(); !hooked) return hooked;
  if (auto forgotten = forget_stale_entries(); !forgotten) return forgotten;
  // Counts what is not counted, also what has been forgotten by mistake. Nobody is counted
  // elsewhere than before, so the limits go on meanwhile.
  if (auto counted = recount(); !counted) return tl::unexpected(counted.error());
  return correct_counters();
}

Result<std::uint64_t> Limiter::count_rest() {
  const std::lock_guard change(kernel_->change);
  const auto untracked = count_untracked();
  if (!untracked) return untracked;
  if (*untracked == kernel_->settled_untracked) return 0;
  const auto table = read_entry<hg_table_state>(kernel_->limiter->maps.table_state, 0);
  if (!table) return tl::unexpected(table.error());
  if (table->connections_full_at != 0 || table->clients_full_at != 0) return 0;
  if (auto hooked = hook_adopted(); !hooked) return tl::unexpected(hooked.error());
  return recount();
}

}  // namespace headgate::kernel
