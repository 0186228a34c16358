// SPDX-License-Identifier: Apache-2.0
// Private to limiter*.cpp: what a Limiter holds of the kernel.
#pragma once

#include <bpf/libbpf.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "daemon/kernel/drop_listeners.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/mapped_array.h"
#include "daemon/kernel/policy_slots.h"
#include "daemon/kernel/socket_list.h"
#include "skeletons/limiter.skel.h"

namespace headgate::kernel {

struct LinkDestroyer {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, LinkDestroyer>;

struct SkeletonDestroyer {
  void operator()(limiter_bpf* skeleton) const { limiter_bpf__destroy(skeleton); }
};

struct RingBufferDestroyer {
  void operator()(ring_buffer* buffer) const { ring_buffer__free(buffer); }
};

struct Limiter::Kernel {
  std::unique_ptr<limiter_bpf, SkeletonDestroyer> limiter;
  PolicySlots slots;
  SocketList socket_list;          // guarded by `walks`
  MappedArray<hg_socket> sockets;  // guarded by `walks`
  DropListeners drop_listeners;
  Link adopted_hook;        // only while adopted connections are open
  std::vector<Link> links;  // detached in reverse order of attachment, before the maps go
  std::unique_ptr<ring_buffer, RingBufferDestroyer> events;
  std::function<void(const hg_event&)> handle_event;  // during poll_events
  std::uint32_t connection_capacity = 0;
  std::shared_ptr<const NetworkNamespace> netns;

  std::mutex change;               // held for as long as a change takes
  std::mutex walks;                // held for as long as a walk through the open connections takes
  std::mutex explanations;         // map `explanation` holds one at a time
  mutable std::mutex policy_lock;  // guards `policy` and `adopted_hook`, for an instant
  std::shared_ptr<const policy::Policy> policy;

  std::shared_ptr<const policy::Policy> policy_in_force() const {
    const std::lock_guard lock(policy_lock);
    return policy;
  }

  ~Kernel() {
    while (!links.empty()) links.pop_back();
  }
};

// Puts sockets into map `listeners` at `place` (IPv4) and after it (IPv6).
Result<void> set_listeners(const bpf_map* map, std::uint32_t place, const ListenerFds& listeners);

}  // namespace headgate::kernel
