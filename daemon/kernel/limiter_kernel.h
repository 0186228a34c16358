// SPDX-License-Identifier: Apache-2.0
// Private to limiter*.cpp: what a Limiter holds of the kernel.
#pragma once

#include <bpf/libbpf.h>

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "daemon/kernel/hooks.h"
#include "daemon/kernel/limited_namespace.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/mapped_array.h"
#include "daemon/kernel/pin_directory.h"
#include "daemon/kernel/policy_slots.h"
#include "daemon/kernel/programs.h"

namespace headgate::kernel {

struct RingBufferDestroyer {
  void operator()(ring_buffer* buffer) const { ring_buffer__free(buffer); }
};

struct HookedGroup {
  std::string path;
  std::uint64_t id = 0;  // of the cgroup: a unit that starts again gets another one
  Programs program;      // `note_listening`
};

// Ordered by its bytes.
struct ListeningKey : hg_listening_key {
  friend bool operator<(const ListeningKey& a, const ListeningKey& b) {
    return std::memcmp(&a, &b, sizeof(a)) < 0;
  }
};

struct Limiter::Kernel {
  LimiterSettings settings;
  PinDirectory pins;
  std::string state_directory;  // in it
  std::string how_started;
  bool is_first = false;
  Programs limiter;
  PolicySlots slots;
  MappedArray<hg_totals> totals;
  MappedArray<hg_state> state;
  MappedArray<hg_socket> sockets;  // guarded by `walks`
  Hooks hooks;                     // detached, unless pinned, before the maps go
  std::unique_ptr<ring_buffer, RingBufferDestroyer> events;
  std::function<void(const hg_event&)> handle_event;  // during poll_events
  std::map<policy::GroupId, HookedGroup> groups;      // guarded by `change`
  bool must_recount_groups = false;                   // guarded by `change`
  std::uint32_t next_place = 0;                       // guarded by `change`
  // Connections that found no room in a table, up to the last time that all had some: guarded by
  // `change`.
  std::uint64_t settled_untracked = 0;
  std::set<ListeningKey> stale_listening;  // guarded by `change`; not seen last time

  std::mutex change;           // held for as long as a change takes
  std::mutex walks;            // held for as long as a walk through the open connections takes
  std::mutex explanations;     // map `explanation` holds one at a time
  mutable std::mutex instant;  // guards what follows, for an instant
  std::shared_ptr<const policy::Policy> policy;
  std::map<std::uint64_t, std::shared_ptr<LimitedNamespace>> namespaces;  // by cookie

  std::shared_ptr<const policy::Policy> policy_in_force() const {
    const std::lock_guard lock(instant);
    return policy;
  }
  std::vector<std::shared_ptr<LimitedNamespace>> limited() const {
    const std::lock_guard lock(instant);
    std::vector<std::shared_ptr<LimitedNamespace>> all;
    for (const auto& [cookie, one] : namespaces) all.push_back(one);
    return all;
  }
  // Null if it is not limited.
  std::shared_ptr<LimitedNamespace> find(std::uint64_t cookie) const {
    const std::lock_guard lock(instant);
    const auto found = namespaces.find(cookie);
    return found == namespaces.end() ? nullptr : found->second;
  }
  // The numbers that keys may have.
  std::set<std::uint32_t> numbers() const {
    std::set<std::uint32_t> all;
    for (const auto& one : limited()) all.insert(one->id.number);
    return all;
  }
};

}  // namespace headgate::kernel
