// SPDX-License-Identifier: Apache-2.0
// How the policy, the deny list and the reply sockets of a Limiter change while it is in force.
#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "common/prefix_set.h"
#include "daemon/kernel/address.h"
#include "daemon/kernel/clock.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {
namespace {

// What is not undone by the end of a connection.
void forget_rates(hg_totals& totals) {
  __atomic_store_n(&totals.half_open, __u64{0}, __ATOMIC_RELAXED);
  __atomic_store_n(&totals.bucket, __u64{0}, __ATOMIC_RELAXED);
}

}  // namespace

Result<void> Limiter::set_drop_listeners(std::uint64_t netns_cookie, const ListenerFds& listeners) {
  const auto limited = kernel_->find(netns_cookie);
  if (!limited) return fail(ErrorCode::kNotFound, "that network namespace is not limited");
  const std::uint32_t place = limited->id.place * HG_LISTENERS + HG_DROP_LISTENERS;
  return set_listeners(kernel_->limiter->maps.listeners, place, listeners);
}

Result<void> Limiter::set_reply_listeners(std::uint64_t netns_cookie, std::uint32_t number,
                                          const ListenerFds& listeners) {
  const auto limited = kernel_->find(netns_cookie);
  if (!limited) return fail(ErrorCode::kNotFound, "that network namespace is not limited");
  const auto& maps = kernel_->limiter->maps;
  for (const int fd : {listeners.ipv4, listeners.ipv6}) {
    if (fd < 0) continue;
    // Before anything is steered to it: what it accepts is not counted as the client's.
    if (auto marked = write_entry(maps.reply_marks, fd, std::uint32_t{1}); !marked) return marked;
  }
  const std::uint32_t place = limited->id.place * HG_LISTENERS + HG_REPLY_LISTENERS + 2 * number;
  return set_listeners(maps.listeners, place, listeners);
}

std::shared_ptr<const policy::Policy> Limiter::policy() const {
  return kernel_->policy_in_force();
}

std::uint64_t Limiter::generation() const {
  return kernel_->slots.generation();
}

// Numbers that were other rules' before must not inherit anything from them. Their connections are
// counted elsewhere since those rules went.
Result<void> Limiter::forget_rules(const std::set<policy::RuleId>& ids) {
  if (ids.empty()) return {};
  const auto& maps = kernel_->limiter->maps;
  const std::vector<hg_rule_stats> none(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  for (const std::uint32_t index : ids) {
    if (bpf_map__update_elem(maps.stats, &index, sizeof(index), none.data(),
                             none.size() * sizeof(hg_rule_stats), BPF_ANY) != 0) {
      return fail_errno("cannot write to map stats", errno);
    }
    for (const std::uint32_t netns : kernel_->numbers()) {
      forget_rates(*kernel_->totals.at(netns * HG_MAX_RULES + index));
    }
  }
  return forget_clients([&ids](const hg_client_key& key) { return ids.count(key.rule) > 0; });
}

// A number that another namespace had before. Its sockets have gone with it.
Result<void> Limiter::forget_namespace(std::uint32_t number) {
  for (std::uint32_t rule = 0; rule < HG_MAX_RULES; ++rule) {
    forget_rates(*kernel_->totals.at(number * HG_MAX_RULES + rule));
  }
  return forget_clients([number](const hg_client_key& key) { return key.netns == number; });
}

// What is known of clients that hold nothing.
Result<void> Limiter::forget_clients(const std::function<bool(const hg_client_key&)>& is_one) {
  const auto& maps = kernel_->limiter->maps;
  for (const bpf_map* map : {maps.recent, maps.penalties}) {
    std::vector<hg_client_key> stale;
    const auto note = [&](const hg_client_key& key, const auto&) {
      if (is_one(key)) stale.push_back(key);
    };
    auto seen = map == maps.recent ? visit_entries<hg_client_key, hg_recent>(map, note)
                                   : visit_entries<hg_client_key, hg_penalty>(map, note);
    if (!seen) return seen;
    for (const hg_client_key& key : stale) {
      if (auto removed = remove_entry(map, key); !removed) return removed;
    }
  }
  return {};
}

void Limiter::set_wall_offset(std::int64_t ns) {
  kernel_->slots.set_wall_offset(ns);
}

Result<Change> Limiter::change(std::shared_ptr<const policy::Policy> policy) {
  const std::lock_guard change(kernel_->change);
  const auto former = kernel_->policy_in_force();
  std::set<policy::RuleId> fresh;
  for (const auto& [id, rule] : policy->rules) {
    if (former->rules.count(id) == 0) fresh.insert(id);
  }
  if (auto forgotten = forget_rules(fresh); !forgotten) return tl::unexpected(forgotten.error());
  const bool is_rekeyed = policy::changes_keys(*former, *policy);
  const bool was_due = kernel_->slots.is_recount_due();
  if (is_rekeyed) {
    // A rule may come to cover connections that nobody has counted; their end must be seen.
    if (auto hooked = hook_adopted(); !hooked) return tl::unexpected(hooked.error());
    kernel_->slots.set_recount_due(true);
    kernel_->slots.pause_judging();
  }
  if (auto done = kernel_->slots.put_in_force(*policy); !done) {
    if (is_rekeyed) {
      kernel_->slots.end_judging_pause();
      kernel_->slots.set_recount_due(was_due);
    }
    return tl::unexpected(done.error());
  }
  // From here on it is in force, and nothing that fails makes it otherwise.
  {
    const std::lock_guard lock(kernel_->instant);
    kernel_->policy = std::move(policy);
  }
  Change report{generation(), 0, std::nullopt};
  if (is_rekeyed) {
    auto rekeyed = rekey_now();
    if (rekeyed) {
      report.rekeyed = *rekeyed;
    } else {
      report.rekey_error = rekeyed.error();
    }
  }
  return report;
}

Result<void> Limiter::deny(const std::vector<Denial>& denials) {
  const auto& maps = kernel_->limiter->maps;
  struct Batch {
    std::vector<hg_prefix_key> keys;
    std::vector<hg_denied> values;
  };
  std::map<const bpf_map*, Batch> batches;
  std::vector<hg_prefix_key> reasoned;
  std::vector<hg_deny_reason> reasons;
  for (const Denial& denial : denials) {
    const hg_prefix_key key = policy::key_of(denial.cidr, HG_PREFIX_DENIED, 0);
    Batch& batch = batches[map_of_denial(*kernel_->limiter, key)];
    batch.keys.push_back(key);
    batch.values.push_back(
        {denial.until_ns, key.prefix_bits, denial.is_hard ? HG_DENIED_HARD : 0U});
    if (denial.reason.empty()) {
      // An earlier entry for the same range may have had one.
      if (auto removed = remove_entry(maps.deny_reasons, key); !removed) return removed;
      continue;
    }
    reasoned.push_back(key);
    std::strncpy(reasons.emplace_back().text, denial.reason.c_str(), sizeof(hg_deny_reason) - 1);
  }
  auto done = update_batch(bpf_map__fd(maps.deny_reasons), "deny_reasons", reasoned, reasons);
  for (const auto& [map, batch] : batches) {
    if (done) done = update_batch(bpf_map__fd(map), bpf_map__name(map), batch.keys, batch.values);
  }
  kernel_->slots.denials_have_changed();
  return done;
}

Result<void> Limiter::stop_denying(const std::vector<Prefix>& cidrs) {
  const auto& maps = kernel_->limiter->maps;
  Result<void> removed;
  for (const Prefix& cidr : cidrs) {
    const hg_prefix_key key = policy::key_of(cidr, HG_PREFIX_DENIED, 0);
    removed = remove_entry(map_of_denial(*kernel_->limiter, key), key);
    if (removed) removed = remove_entry(maps.deny_reasons, key);
    if (!removed) break;
  }
  kernel_->slots.denials_have_changed();
  return removed;
}

Result<std::vector<Denial>> Limiter::denials() const {
  const auto& maps = kernel_->limiter->maps;
  std::vector<Denial> found;
  for (const bpf_map* map : {maps.denied, maps.denied_hosts}) {
    const int denied = bpf_map__fd(map);
    const std::string name = bpf_map__name(map);
    auto seen = visit_keys<hg_prefix_key>(denied, name, [&](const auto& key) -> Result<void> {
      hg_denied value{};
      if (bpf_map_lookup_elem(denied, &key, &value) != 0) return {};  // it has just ended
      hg_deny_reason reason{};
      // Most have none.
      (void)bpf_map_lookup_elem(bpf_map__fd(maps.deny_reasons), &key, &reason);
      reason.text[sizeof(reason.text) - 1] = '\0';
      found.push_back({policy::prefix_of(key), value.until_ns, reason.text,
                       (value.flags & HG_DENIED_HARD) != 0});
      return {};
    });
    if (!seen) return tl::unexpected(seen.error());
  }
  return found;
}

void Limiter::set_any_denied(bool is_any, bool is_any_hard) {
  kernel_->slots.set_denied((is_any ? HG_ANY_DENIED : 0U) |
                            (is_any_hard ? HG_ANY_DENIED_HARD : 0U));
}

Result<std::vector<Penalised>> Limiter::penalties() const {
  std::vector<Penalised> found;
  const std::uint64_t now = monotonic_ns();
  auto seen = visit_entries<hg_client_key, hg_penalty>(
      kernel_->limiter->maps.penalties, [&](const hg_client_key& key, const hg_penalty& penalty) {
        const std::uint64_t left = penalty.until_ns > now ? penalty.until_ns - now : 0;
        found.push_back({key.rule, to_ip(key.address), left, penalty.times});
      });
  if (!seen) return tl::unexpected(seen.error());
  return found;
}

Result<std::uint32_t> Limiter::end_penalties(const std::vector<Prefix>& clients) {
  const PrefixSet wanted(clients);
  const std::uint64_t now = monotonic_ns();
  std::vector<hg_client_key> keys;
  std::uint32_t ended = 0;
  const bpf_map* const map = kernel_->limiter->maps.penalties;
  auto seen = visit_entries<hg_client_key, hg_penalty>(
      map, [&](const hg_client_key& key, const hg_penalty& penalty) {
        if (!wanted.holds(to_ip(key.address))) return;
        keys.push_back(key);
        if (penalty.until_ns > now) ++ended;
      });
  if (!seen) return tl::unexpected(seen.error());
  for (const hg_client_key& key : keys) {
    if (auto removed = remove_entry(map, key); !removed) return tl::unexpected(removed.error());
  }
  return ended;
}

}  // namespace headgate::kernel
