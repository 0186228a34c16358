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
};

// Puts policies in force, each as a whole: it is written into a slot that no program reads, then
// one store names that slot. docs/adr/0004-generations.md. Not thread-safe.
class PolicySlots {
 public:
  static Result<PolicySlots> open(const PolicyMaps& maps);

  // Returns when every kernel program has ended that runs now (an RCU grace period).
  Result<void> wait_for_programs();
  // On error the former policy stays in force.
  Result<void> put_in_force(const policy::Policy& policy);

  std::uint64_t generation() const {
    return __atomic_load_n(&control_.at(0)->generation, __ATOMIC_ACQUIRE);
  }
  // Is there any entry in map `denied`? Without, the programs do not look.
  void set_denied(bool is_any) { store(control_.at(0)->denied, is_any ? 1U : 0U); }
  // While it is set, nobody is refused by a count.
  void set_rekeying(bool is_on) { store(control_.at(0)->is_rekeying, is_on ? 1U : 0U); }
  void set_wall_offset(std::int64_t ns) {
    __atomic_store_n(&control_.at(0)->wall_offset_ns, ns, __ATOMIC_RELEASE);
  }
  void set_max_replies(std::uint32_t count) { store(control_.at(0)->max_replies, count); }

 private:
  enum class State { kFree, kActive, kRetired };
  struct Slot {
    State state = State::kFree;
    UniqueFd trie;                              // invalid: none yet
    std::uint32_t capacity = 0;                 // of the trie
    std::vector<policy::PrefixEntry> prefixes;  // that are in it, sorted
  };

  static void store(__u32& to, __u32 value) { __atomic_store_n(&to, value, __ATOMIC_RELEASE); }
  Result<std::uint32_t> find_free();
  void write_arrays(std::uint32_t slot, const policy::Policy& policy);
  Result<void> write_prefixes(std::uint32_t slot, const policy::Policy& policy);
  static Result<void> update_trie(Slot& slot, const std::vector<policy::PrefixEntry>& wanted);
  Result<void> replace_trie(std::uint32_t slot, const std::vector<policy::PrefixEntry>& wanted);

  PolicyMaps maps_;
  MappedArray<hg_control> control_;
  MappedArray<hg_port> ports_;
  MappedArray<hg_rule> rules_;
  std::array<Slot, HG_POLICY_SLOTS> slots_;
};

}  // namespace headgate::kernel
