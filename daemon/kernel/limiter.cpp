// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/limiter.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/kernel/iterator.h"
#include "daemon/kernel/libbpf_log.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {
namespace {

constexpr std::uint32_t kParkingThreshold = 256 * HG_PARKED_MAX;
constexpr std::uint32_t kSlotsThreshold = 4096;

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

// Sets the sizes of the maps, and the constants of the programs that depend on them.
void Limiter::size_tables(const config::TableSizes& sizes, Kernel& kernel) {
  const auto& maps = kernel.limiter->maps;
  // A small table is exact: one slot, the rest in the hash. A large one may be full a little early,
  // when the hash is and a slot is free that does not fit.
  const std::uint32_t slots =
      sizes.connections < kSlotsThreshold
          ? 1
          : std::min<std::uint32_t>(std::bit_floor(sizes.connections / 2), HG_CONNECTION_SLOTS_MAX);
  bpf_map__set_max_entries(maps.connections, slots);
  bpf_map__set_max_entries(maps.more_connections, sizes.connections - slots);
  kernel.connection_capacity = sizes.connections;

  // Parked entries take room of clients: where there is little, none is parked.
  const std::uint32_t parked = sizes.clients < kParkingThreshold ? 0 : HG_PARKED_MAX;
  bpf_map__set_max_entries(maps.clients, sizes.clients);

  bpf_map__set_max_entries(maps.half_open, sizes.half_open);

  kernel.limiter->rodata->connection_slot_mask = slots - 1;
  kernel.sweep->rodata->connection_slot_mask = slots - 1;
  kernel.limiter->rodata->parked_mask = parked > 0 ? parked - 1 : 0;
  kernel.sweep->rodata->parked_mask = kernel.limiter->rodata->parked_mask;
}

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
  size_tables(tables, *kernel);
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
  const auto attach = [](bpf_link* link, const std::string& hook) -> Result<Link> {
    if (link == nullptr) return fail_libbpf("cannot attach " + hook, errno);
    return Link(link);
  };
  const auto keep = [raw](Link link) { raw->links.push_back(std::move(link)); };
  auto adopted_hook = attach(bpf_program__attach_trace(limiter->progs.release_adopted),
                             "to tracepoint inet_sock_set_state");
  if (!adopted_hook) return tl::unexpected(adopted_hook.error());
  kernel->adopted_hook = std::move(*adopted_hook);
  auto attached = attach(bpf_program__attach_trace(limiter->progs.release_destroyed),
                         "to tracepoint tcp_destroy_sock")
                      .map(keep);
  if (attached) {
    attached = attach(bpf_program__attach_cgroup(limiter->progs.track, cgroup.fd.get()),
                      "sock_ops to cgroup " + cgroup.path)
                   .map(keep);
  }
  if (attached) {
    if (auto adopted = run_iterator(sweep->progs.adopt, *kernel->netns); !adopted) {
      return fail("cannot count the connections that are already open", adopted.error());
    }
    attached = attach(bpf_program__attach_netns(limiter->progs.admit, kernel->netns->fd()),
                      "sk_lookup to the network namespace")
                   .map(keep);
  }
  if (!attached) return tl::unexpected(attached.error());
  Limiter started(std::move(kernel));
  started.drop_idle_hooks();
  return started;
}

void Limiter::drop_idle_hooks() {
  if (!kernel_->adopted_hook) return;
  const auto state = read_entry<hg_table_state>(kernel_->limiter->maps.table_state, 0);
  if (state && state->adopted == 0) kernel_->adopted_hook.reset();
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
