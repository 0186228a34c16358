// SPDX-License-Identifier: Apache-2.0
// How a policy is read back from the slot that an earlier daemon has put in force.
#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/kernel/map_io.h"
#include "daemon/kernel/policy_slots.h"

namespace headgate::kernel {
namespace {

constexpr std::uint32_t kPorts = 65'536;

template <std::size_t kSize>
std::string to_text(const char (&text)[kSize]) {
  return {text, strnlen(text, kSize)};
}

}  // namespace

Result<std::vector<policy::PrefixEntry>> PolicySlots::read_prefixes(std::uint32_t slot) const {
  std::vector<policy::PrefixEntry> entries;
  std::uint32_t id = 0;
  if (bpf_map_lookup_elem(bpf_map__fd(maps_.prefixes), &slot, &id) != 0) {
    if (errno == ENOENT) return entries;  // that policy had none
    return fail_errno("cannot read map prefixes", errno);
  }
  const UniqueFd trie(bpf_map_get_fd_by_id(id));
  if (!trie)
    return fail_errno("cannot open the prefixes in force (CAP_SYS_ADMIN is needed)", errno);
  const auto read = [&](const hg_prefix_key& key) -> Result<void> {
    hg_prefix value{};
    if (bpf_map_lookup_elem(trie.get(), &key, &value) != 0) {
      return fail_errno("cannot read the prefixes in force", errno);
    }
    entries.emplace_back(key, value);
    return {};
  };
  auto seen = visit_keys<hg_prefix_key>(trie.get(), "prefixes", read);
  if (!seen) return tl::unexpected(seen.error());
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return policy::is_before(a.first, b.first); });
  return entries;
}

Result<policy::Policy> PolicySlots::adopt() {
  const std::uint32_t active = control_.at(0)->slot;
  if (active >= HG_POLICY_SLOTS) return fail(ErrorCode::kInternal, "no policy is in force");
  // What the earlier daemon wrote into the others is nobody's now, and no program reads it after
  // this wait.
  if (auto waited = wait_for_programs(); !waited) return tl::unexpected(waited.error());
  slots_[active].state = State::kActive;
  for (std::uint32_t slot = 0; slot < HG_POLICY_SLOTS; ++slot) {
    if (slot == active) continue;
    if (bpf_map_delete_elem(bpf_map__fd(maps_.prefixes), &slot) != 0 && errno != ENOENT) {
      return fail_errno("cannot remove from map prefixes", errno);
    }
  }

  policy::Policy policy;
  const hg_rule* const rules = rules_.at(std::size_t{active} * HG_MAX_RULES);
  for (policy::RuleId id = 1; id < HG_MAX_RULES; ++id) {
    if (rules[id].handshake_timeout_ns == 0) continue;  // no rule has that number
    const std::string name = to_text(rule_names_.at(id)->text);
    policy.rules[id] = {name, 0, rules[id]};
    policy.numbers.rules[name] = id;
  }
  const hg_port* const ports = ports_.at(std::size_t{active} * kPorts);
  for (std::uint32_t port = 0; port < kPorts; ++port) {
    const hg_port& claimed = ports[port];
    if (claimed.rule != HG_NO_RULE || claimed.has_addresses != 0 ||
        claimed.udp_rule != HG_NO_RULE || claimed.has_udp_addresses != 0) {
      policy.ports[static_cast<std::uint16_t>(port)] = claimed;
    }
  }
  const __u64* const groups = groups_.at(std::size_t{active} * HG_MAX_GROUPS);
  for (policy::GroupId group = 1; group < HG_MAX_GROUPS; ++group) {
    if (groups[group] == HG_NO_RULE) continue;
    policy.groups[group] = static_cast<policy::RuleId>(groups[group]);
    policy.numbers.groups[to_text(group_names_.at(group)->text)] = group;
  }
  policy.numbers.last_rule = static_cast<policy::RuleId>(state_.at(0)->last_rule);
  policy.numbers.last_group = static_cast<policy::GroupId>(state_.at(0)->last_group);
  auto prefixes = read_prefixes(active);
  if (!prefixes) return tl::unexpected(prefixes.error());
  policy.prefixes = *std::move(prefixes);
  slots_[active].prefixes = policy.prefixes;
  return policy;
}

}  // namespace headgate::kernel
