// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/policy_slots.h"

#include <bpf/bpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/kernel/clock.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {
namespace {

using policy::PrefixEntry;

constexpr std::size_t kPorts = 65'536;
// A daemon that dies while it counts anew leaves the counts out of force for so long at most.
constexpr std::uint64_t kLongestPauseNs = 5'000'000'000;
constexpr std::uint32_t kSmallTrie = 4096;
// With more changes than this it is cheaper to fill a new trie than to change the old one.
constexpr std::size_t kManyChanges = 4096;

bool same_key(const PrefixEntry& a, const PrefixEntry& b) {
  return std::memcmp(&a.first, &b.first, sizeof(a.first)) == 0;
}

Result<UniqueFd> make_trie(std::uint32_t capacity) {
  bpf_map_create_opts options{};
  options.sz = sizeof(options);
  options.map_flags = BPF_F_NO_PREALLOC;
  UniqueFd trie(bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "prefix_trie", sizeof(hg_prefix_key),
                               sizeof(hg_prefix), capacity, &options));
  if (!trie) return fail_errno("cannot make a map of prefixes", errno);
  return trie;
}

template <std::size_t kSize>
void write_text(const std::string& from, char (&to)[kSize]) {
  std::strncpy(to, from.c_str(), kSize - 1);
  to[kSize - 1] = '\0';
}

Result<void> write_batch(int trie, const std::vector<PrefixEntry>& entries) {
  std::vector<hg_prefix_key> keys;
  std::vector<hg_prefix> values;
  keys.reserve(entries.size());
  values.reserve(entries.size());
  for (const auto& [key, value] : entries) {
    keys.push_back(key);
    values.push_back(value);
  }
  return update_batch(trie, "prefixes", keys, values);
}

}  // namespace

Result<PolicySlots> PolicySlots::open(const PolicyMaps& maps) {
  PolicySlots slots;
  slots.maps_ = maps;
  Result<void> opened = slots.control_.open(maps.control);
  if (opened) opened = slots.ports_.open(maps.ports);
  if (opened) opened = slots.rules_.open(maps.rules);
  if (opened) opened = slots.groups_.open(maps.groups);
  if (opened) opened = slots.rule_names_.open(maps.rule_names);
  if (opened) opened = slots.group_names_.open(maps.group_names);
  if (opened) opened = slots.state_.open(maps.state);
  if (!opened) return tl::unexpected(opened.error());
  return slots;
}

void PolicySlots::pause_judging() {
  store(control_.at(0)->recount_until_ns, monotonic_ns() + kLongestPauseNs);
}

void PolicySlots::set_first_namespace(std::uint64_t cookie, hg_namespace netns) {
  hg_control* const control = control_.at(0);
  store(control->netns_cookie, std::uint64_t{0});  // nobody takes the one for the other
  control->netns = netns;
  store(control->netns_cookie, cookie);
}

// A name belongs to its number as long as a rule of the policy in force has it, so what is written
// here before a change that fails does no harm.
void PolicySlots::write_names(const policy::Policy& policy) {
  for (const auto& [name, id] : policy.numbers.rules) write_text(name, rule_names_.at(id)->text);
  for (const auto& [name, id] : policy.numbers.groups) write_text(name, group_names_.at(id)->text);
  state_.at(0)->last_rule = policy.numbers.last_rule;
  state_.at(0)->last_group = policy.numbers.last_group;
}

Result<void> PolicySlots::put_in_force(const policy::Policy& policy) {
  Result<std::uint32_t> slot = find_free();
  if (!slot) return tl::unexpected(slot.error());
  write_arrays(*slot, policy);
  if (Result<void> written = write_prefixes(*slot, policy); !written) return written;
  write_names(policy);

  hg_control* const control = control_.at(0);
  store(control->slot, *slot);
  __atomic_store_n(&control->generation, control->generation + 1, __ATOMIC_RELEASE);
  for (Slot& other : slots_) {
    if (other.state == State::kActive) other.state = State::kRetired;
  }
  slots_[*slot].state = State::kActive;
  return {};
}

Result<void> PolicySlots::wait_for_programs() {
  if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return {};
  // Not on a kernel with nohz_full, and perhaps not allowed. An update of a map of maps waits, too.
  const Result<UniqueFd> trie = make_trie(1);
  if (!trie) return tl::unexpected(trie.error());
  const std::uint32_t unused = HG_POLICY_SLOTS;
  const int fd = trie->get();
  if (bpf_map_update_elem(bpf_map__fd(maps_.prefixes), &unused, &fd, BPF_ANY) != 0) {
    return fail_errno("cannot wait for the kernel programs", errno);
  }
  return {};
}

// One grace period frees every retired slot, so that not each change has to wait for one.
Result<std::uint32_t> PolicySlots::find_free() {
  for (int attempt = 0;; ++attempt) {
    for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
      if (slots_[slot].state == State::kFree) return slot;
    }
    if (attempt > 0) return fail(ErrorCode::kInternal, "no policy slot is free");
    if (Result<void> waited = wait_for_programs(); !waited) return tl::unexpected(waited.error());
    for (Slot& slot : slots_) {
      if (slot.state == State::kRetired) slot.state = State::kFree;
    }
  }
}

void PolicySlots::write_arrays(std::uint32_t slot, const policy::Policy& policy) {
  hg_port* const ports = ports_.at(slot * kPorts);
  std::memset(ports, 0, kPorts * sizeof(*ports));
  for (const auto& [number, port] : policy.ports) ports[number] = port;

  hg_rule* const rules = rules_.at(std::size_t{slot} * HG_MAX_RULES);
  std::memset(rules, 0, HG_MAX_RULES * sizeof(*rules));
  for (const auto& [id, rule] : policy.rules) rules[id] = rule.limits;

  __u64* const groups = groups_.at(std::size_t{slot} * HG_MAX_GROUPS);
  std::memset(groups, 0, HG_MAX_GROUPS * sizeof(*groups));
  for (const auto& [group, rule] : policy.groups) groups[group] = rule;
  if (!policy.groups.empty()) rules[HG_NO_RULE].flags = HG_HAS_GROUPS;
}

Result<void> PolicySlots::write_prefixes(std::uint32_t index, const policy::Policy& policy) {
  Slot& slot = slots_[index];
  if (slot.prefixes.empty() && policy.prefixes.empty()) return {};
  const bool fits = slot.trie && policy.prefixes.size() + slot.prefixes.size() <= slot.capacity;
  const bool is_small = policy.prefixes.size() + slot.prefixes.size() <= kManyChanges;
  Result<void> done =
      fits && is_small ? update_trie(slot, policy.prefixes) : replace_trie(index, policy.prefixes);
  if (done) {
    slot.prefixes = policy.prefixes;
  } else {
    slot.trie.reset();  // what it holds is not known: never change it, replace it
    slot.capacity = 0;
  }
  return done;
}

Result<void> PolicySlots::update_trie(Slot& slot, const std::vector<PrefixEntry>& wanted) {
  auto next = wanted.begin();
  for (const PrefixEntry& old : slot.prefixes) {
    next = std::find_if(next, wanted.end(), [&old](const PrefixEntry& entry) {
      return !policy::is_before(entry.first, old.first);
    });
    if (next != wanted.end() && same_key(*next, old)) continue;
    if (bpf_map_delete_elem(slot.trie.get(), &old.first) != 0 && errno != ENOENT) {
      return fail_errno("cannot remove from map prefixes", errno);
    }
  }
  return write_batch(slot.trie.get(), wanted);
}

Result<void> PolicySlots::replace_trie(std::uint32_t index,
                                       const std::vector<PrefixEntry>& wanted) {
  const auto size = static_cast<std::uint32_t>(wanted.size());
  const std::uint32_t capacity = std::max(kSmallTrie, std::bit_ceil(size));
  Result<UniqueFd> trie = make_trie(capacity);
  if (!trie) return tl::unexpected(trie.error());
  if (Result<void> written = write_batch(trie->get(), wanted); !written) return written;
  const int fd = trie->get();
  if (bpf_map_update_elem(bpf_map__fd(maps_.prefixes), &index, &fd, BPF_ANY) != 0) {
    return fail_errno("cannot write to map prefixes", errno);
  }
  slots_[index].trie = *std::move(trie);
  slots_[index].capacity = capacity;
  return {};
}

}  // namespace headgate::kernel
