// SPDX-License-Identifier: Apache-2.0
// Private to limiter*.cpp: what a Limiter holds of the kernel.
#pragma once

#include <bpf/libbpf.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "daemon/kernel/limiter.h"
#include "skeletons/limiter.skel.h"
#include "skeletons/sweep.skel.h"

namespace headgate::kernel {

struct LinkDestroyer {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, LinkDestroyer>;

struct SkeletonDestroyer {
  void operator()(limiter_bpf* skeleton) const { limiter_bpf__destroy(skeleton); }
  void operator()(sweep_bpf* skeleton) const { sweep_bpf__destroy(skeleton); }
};

struct RingBufferDestroyer {
  void operator()(ring_buffer* buffer) const { ring_buffer__free(buffer); }
};

struct Limiter::Kernel {
  std::unique_ptr<limiter_bpf, SkeletonDestroyer> limiter;
  std::unique_ptr<sweep_bpf, SkeletonDestroyer> sweep;
  Link adopted_hook;        // only while connections are open that are older than the hooks
  std::vector<Link> links;  // detached in reverse order of attachment, before the maps go
  std::unique_ptr<ring_buffer, RingBufferDestroyer> events;
  std::function<void(const hg_event&)> handle_event;  // during poll_events
  std::map<policy::RuleId, std::uint64_t> window_lengths_ns;
  std::uint32_t connection_capacity = 0;
  std::shared_ptr<const NetworkNamespace> netns;

  ~Kernel() {
    while (!links.empty()) links.pop_back();
  }
};

}  // namespace headgate::kernel
