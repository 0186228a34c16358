// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bpf/abi.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/kernel/mapped_array.h"
#include "daemon/policy/policy.h"

struct bpf_map;

namespace headgate::kernel {

// The policy maps that PolicySlots writes.
struct PolicyMaps {
  const bpf_map* control = nullptr;
  const bpf_map* ports = nullptr;
  const bpf_map* rules = nullptr;
  const bpf_map* prefixes = nullptr;
  const bpf_map* groups = nullptr;
  const bpf_map* rule_names = nullptr;
  const bpf_map* group_names = nullptr;
  const bpf_map* state = nullptr;
};

// Puts policies in force, each as a whole: it is written into a slot that no program reads, then
// one store names that slot. docs/adr/0004-generations.md. Not thread-safe.
class PolicySlots {
 public:
  static Result<PolicySlots> open(const PolicyMaps& maps);
  // Of maps that an earlier daemon has written: its policy stays in force. Returns it; what it does
  // not hold is what only the daemon knows (CompiledRule::index, Numbers::replies).
  Result<policy::Policy> adopt();

  // Returns when every kernel program has ended that runs now (an RCU grace period).
  Result<void> wait_for_programs();
  // On error the former policy stays in force.
  Result<void> put_in_force(const policy::Policy& policy);

  std::uint64_t generation() const {
    return __atomic_load_n(&control_.at(0)->generation, __ATOMIC_ACQUIRE);
  }
  // HG_ANY_…: what there is in map `denied`. Without any, the programs do not look.
  void set_denied(std::uint32_t what) {
    store(control_.at(0)->denied, what);
    denials_have_changed();
  }
  // Map `denied` has changed: what programs remember of it is void.
  void denials_have_changed() { __atomic_add_fetch(&control_.at(0)->denials, 1, __ATOMIC_RELEASE); }
  // Until end_judging_pause(), but for a bounded time, nobody is refused by a count.
  void pause_judging();
  // A pause that has begun goes on for as long again.
  void renew_judging_pause() {
    if (control_.at(0)->recount_until_ns != 0) pause_judging();
  }
  void end_judging_pause() { store(control_.at(0)->recount_until_ns, std::uint64_t{0}); }
  // Remembered over restarts: counting the connections anew has begun and not ended.
  void set_recount_due(bool is_due) { store(control_.at(0)->is_recount_due, is_due ? 1U : 0U); }
  bool is_recount_due() const { return control_.at(0)->is_recount_due != 0; }
  // The namespace that need not be looked up; cookie 0: none.
  void set_first_namespace(std::uint64_t cookie, hg_namespace netns);
  void set_wall_offset(std::int64_t ns) {
    __atomic_store_n(&control_.at(0)->wall_offset_ns, ns, __ATOMIC_RELEASE);
  }
  // Whether the front line answers floods with SYN cookies.
  void set_syn_cookies(bool is_on) { store(control_.at(0)->syn_cookies, is_on ? 1U : 0U); }
  void set_max_replies(std::uint32_t count) { store(control_.at(0)->max_replies, count); }

 private:
  enum class State { kFree, kActive, kRetired };
  struct Slot {
    State state = State::kFree;
    UniqueFd trie;                              // invalid: none yet
    std::uint32_t capacity = 0;                 // of the trie
    std::vector<policy::PrefixEntry> prefixes;  // that are in it, sorted
  };

  template <typename T, typename Value>
  static void store(T& to, Value value) {
    __atomic_store_n(&to, static_cast<T>(value), __ATOMIC_RELEASE);
  }
  Result<std::uint32_t> find_free();
  Result<std::vector<policy::PrefixEntry>> read_prefixes(std::uint32_t slot) const;
  void write_names(const policy::Policy& policy);
  void write_arrays(std::uint32_t slot, const policy::Policy& policy);
  Result<void> write_prefixes(std::uint32_t slot, const policy::Policy& policy);
  static Result<void> update_trie(Slot& slot, const std::vector<policy::PrefixEntry>& wanted);
  Result<void> replace_trie(std::uint32_t slot, const std::vector<policy::PrefixEntry>& wanted);

  PolicyMaps maps_;
  MappedArray<hg_control> control_;
  MappedArray<hg_port> ports_;
  MappedArray<hg_rule> rules_;
  MappedArray<__u64> groups_;
  MappedArray<hg_rule_name> rule_names_;
  MappedArray<hg_group_name> group_names_;
  MappedArray<hg_state> state_;
  std::array<Slot, HG_POLICY_SLOTS> slots_;
};

}  // namespace headgate::kernel
