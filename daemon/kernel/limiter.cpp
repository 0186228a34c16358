// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/limiter.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/kernel/iterator.h"
#include "daemon/kernel/libbpf_log.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {
namespace {

// The libbpf call that just failed, with what libbpf and the verifier said about it.
tl::unexpected<Error> fail_libbpf(const std::string& what, int error_number) {
  const std::string said = take_libbpf_warnings();
  tl::unexpected<Error> error = fail_errno(what, error_number);
  std::string message = error.value().message;
  if (error.value().code == ErrorCode::kPermissionDenied) {
    message += " (root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, is needed)";
  }
  if (!said.empty()) message += "\n" + said;
  return fail(error.value().code, message);
}

Result<void> write_policy(const policy::Policy& policy, const limiter_bpf* skeleton) {
  for (const auto& [id, rule] : policy.rules) {
    if (auto done = write_entry(skeleton->maps.rules, std::uint32_t{id}, rule.limits); !done) {
      return done;
    }
  }
  for (const auto& [key, id] : policy.listen) {
    if (auto done = write_entry(skeleton->maps.listen, key, std::uint32_t{id}); !done) return done;
  }
  for (const auto& [number, port] : policy.ports) {
    if (auto done = write_entry(skeleton->maps.ports, std::uint32_t{number}, port); !done) {
      return done;
    }
  }
  return {};
}

// Makes every map of `object` that `other` has too the same map. Its own data (.rodata) stays.
Result<void> share_maps(bpf_object* object, const bpf_object* other) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map)) continue;
    const int fd = bpf_object__find_map_fd_by_name(other, bpf_map__name(map));
    if (fd < 0 || bpf_map__reuse_fd(map, fd) != 0) {
      return fail(ErrorCode::kInternal,
                  std::string("cannot share map ") + bpf_map__name(map) + " between objects");
    }
  }
  return {};
}

}  // namespace

Limiter::Limiter(std::unique_ptr<Kernel> kernel) : kernel_(std::move(kernel)) {}
Limiter::Limiter(Limiter&&) noexcept = default;
Limiter& Limiter::operator=(Limiter&&) noexcept = default;
Limiter::~Limiter() = default;

Result<Limiter> Limiter::start(const policy::Policy& policy, const config::TableSizes& tables,
                               std::shared_ptr<const NetworkNamespace> netns,
                               const Cgroup& cgroup) {
  capture_libbpf_log();
  auto kernel = std::make_unique<Kernel>();
  kernel->netns = std::move(netns);
  for (const auto& [id, rule] : policy.rules) {
    kernel->window_lengths_ns[id] = rule.limits.handshake_timeout_ns;
  }

  kernel->limiter.reset(limiter_bpf__open());
  kernel->sweep.reset(sweep_bpf__open());
  limiter_bpf* limiter = kernel->limiter.get();
  sweep_bpf* sweep = kernel->sweep.get();
  if (limiter == nullptr || sweep == nullptr) {
    return fail_libbpf("cannot read the kernel programs", errno);
  }
  limiter->rodata->netns_cookie = kernel->netns->cookie();
  sweep->rodata->cgroup_id = cgroup.id;
  bpf_map__set_max_entries(limiter->maps.connections, tables.connections);
  bpf_map__set_max_entries(limiter->maps.clients, tables.clients);
  bpf_map__set_max_entries(limiter->maps.half_open, tables.half_open);

  if (limiter_bpf__load(limiter) != 0) {
    return fail_libbpf("cannot load the limiter into the kernel", errno);
  }
  if (auto shared = share_maps(sweep->obj, limiter->obj); !shared) {
    return tl::unexpected(shared.error());
  }
  if (sweep_bpf__load(sweep) != 0) {
    return fail_libbpf("cannot load the socket iterators into the kernel", errno);
  }
  if (auto written = write_policy(policy, limiter); !written) {
    return tl::unexpected(written.error());
  }

  Kernel* const raw = kernel.get();
  kernel->events.reset(ring_buffer__new(
      bpf_map__fd(limiter->maps.events),
      [](void* context, void* data, std::size_t size) {
        hg_event event{};
        if (size >= sizeof(event)) {
          std::memcpy(&event, data, sizeof(event));
          static_cast<Kernel*>(context)->handle_event(event);
        }
        return 0;
      },
      raw, nullptr));
  if (!kernel->events) return fail_libbpf("cannot open the event ring buffer", errno);

  // In this order no connection is missed and none is refused before all are counted: what is
  // released is seen first, then what is new, then what is old; the gate closes last.
  const auto attach = [raw](bpf_link* link, const char* hook) -> Result<void> {
    if (link == nullptr) return fail_libbpf(std::string("cannot attach ") + hook, errno);
    raw->links.emplace_back(link);
    return {};
  };
  auto attached = attach(bpf_program__attach_trace(limiter->progs.release),
                         "to tracepoint inet_sock_set_state");
  if (attached) {
    attached = attach(bpf_program__attach_trace(limiter->progs.release_nested),
                      "to tracepoint inet_sock_set_state");
  }
  if (attached) {
    attached = attach(bpf_program__attach_cgroup(limiter->progs.track, cgroup.fd.get()),
                      ("sock_ops to cgroup " + cgroup.path).c_str());
  }
  if (attached) {
    if (auto adopted = run_iterator(sweep->progs.adopt, *kernel->netns); !adopted) {
      return fail("cannot count the connections that are already open", adopted.error());
    }
    attached = attach(bpf_program__attach_netns(limiter->progs.admit, kernel->netns->fd()),
                      "sk_lookup to the network namespace");
  }
  if (!attached) return tl::unexpected(attached.error());
  return Limiter(std::move(kernel));
}

int Limiter::event_fd() const {
  return ring_buffer__epoll_fd(kernel_->events.get());
}

Result<void> Limiter::poll_events(const std::function<void(const hg_event&)>& handle) {
  kernel_->handle_event = handle;
  const int consumed = ring_buffer__consume(kernel_->events.get());
  if (consumed < 0) return fail_errno("cannot read the event ring buffer", -consumed);
  return {};
}

Result<std::vector<hg_event>> Limiter::find_overshoot() {
  Result<std::string> found = run_iterator(kernel_->sweep->progs.find_overshoot, *kernel_->netns);
  if (!found) return tl::unexpected(found.error());
  std::vector<hg_event> events(found->size() / sizeof(hg_event));
  std::memcpy(events.data(), found->data(), events.size() * sizeof(hg_event));
  return events;
}

}  // namespace headgate::kernel
