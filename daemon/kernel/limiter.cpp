// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/limiter.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/kernel/clock.h"
#include "daemon/kernel/libbpf_log.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/live.h"
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

Result<Link> to_link(bpf_link* link, const std::string& hook) {
  if (link == nullptr) return fail_libbpf("cannot attach " + hook, errno);
  return Link(link);
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

  bpf_map__set_max_entries(maps.recent, sizes.recent);
  bpf_map__set_max_entries(maps.penalties, sizes.penalties);
  // One more: a full trie of an older kernel does not even replace an entry.
  bpf_map__set_max_entries(maps.denied, sizes.denied + 1);

  kernel.limiter->rodata->connection_slot_mask = slots - 1;
  kernel.limiter->rodata->parked_mask = parked > 0 ? parked - 1 : 0;
}

Limiter::Limiter(std::unique_ptr<Kernel> kernel) : kernel_(std::move(kernel)) {}
Limiter::Limiter(Limiter&&) noexcept = default;
Limiter& Limiter::operator=(Limiter&&) noexcept = default;
Limiter::~Limiter() = default;

Result<Limiter> Limiter::start(std::shared_ptr<const policy::Policy> policy,
                               const config::Config& config,
                               std::shared_ptr<const NetworkNamespace> netns,
                               const Cgroup& cgroup) {
  capture_libbpf_log();
  auto kernel = std::make_unique<Kernel>();
  kernel->netns = std::move(netns);
  kernel->limiter.reset(limiter_bpf__open());
  limiter_bpf* limiter = kernel->limiter.get();
  if (limiter == nullptr) {
    return fail_libbpf("cannot read the kernel programs", errno);
  }
  limiter->rodata->netns_cookie = kernel->netns->cookie();
  limiter->rodata->possible_cpus = static_cast<std::uint32_t>(libbpf_num_possible_cpus());
  size_tables(config.tables, *kernel);
  if (limiter_bpf__load(limiter) != 0) {
    return fail_libbpf("cannot load the limiter into the kernel", errno);
  }
  auto socket_list = SocketList::open(*kernel->netns, cgroup);
  if (!socket_list) return tl::unexpected(socket_list.error());
  kernel->socket_list = std::move(*socket_list);
  if (auto ready = prepare(*kernel, std::move(policy), config.max_replies); !ready) {
    return tl::unexpected(ready.error());
  }
  Limiter started(std::move(kernel));
  if (auto attached = started.attach(cgroup); !attached) return tl::unexpected(attached.error());
  started.drop_idle_hooks();
  return started;
}

// Everything that the hooks need to find when they are attached.
Result<void> Limiter::prepare(Kernel& kernel, std::shared_ptr<const policy::Policy> policy,
                              std::uint32_t max_replies) {
  const auto& maps = kernel.limiter->maps;
  auto slots = PolicySlots::open({maps.control, maps.ports, maps.rules, maps.prefixes});
  if (!slots) return tl::unexpected(slots.error());
  kernel.slots = std::move(*slots);
  auto sockets = MappedArray<hg_socket>::open(maps.sockets);
  if (!sockets) return tl::unexpected(sockets.error());
  kernel.sockets = std::move(*sockets);
  kernel.slots.set_max_replies(max_replies);
  kernel.slots.set_wall_offset(static_cast<std::int64_t>(clock_ns(CLOCK_REALTIME)) -
                               static_cast<std::int64_t>(boot_ns()));
  if (auto done = kernel.slots.put_in_force(*policy); !done) return done;
  kernel.policy = std::move(policy);

  auto drop_listeners = DropListeners::open(*kernel.netns);
  if (!drop_listeners) return tl::unexpected(drop_listeners.error());
  kernel.drop_listeners = std::move(*drop_listeners);
  const ListenerFds fds{kernel.drop_listeners.ipv4.get(), kernel.drop_listeners.ipv6.get()};
  if (auto set = set_listeners(maps.listeners, HG_DROP_LISTENERS, fds); !set) return set;

  kernel.events.reset(ring_buffer__new(
      bpf_map__fd(maps.events),
      [](void* context, void* data, std::size_t size) {
        hg_event event{};
        if (size >= sizeof(event)) {
          std::memcpy(&event, data, sizeof(event));
          static_cast<Kernel*>(context)->handle_event(event);
        }
        return 0;
      },
      &kernel, nullptr));
  if (!kernel.events) return fail_libbpf("cannot open the event ring buffer", errno);
  return {};
}

// In this order no connection is missed and none is refused before all are counted: what is
// released is seen first, then what is new, then what is old; the gate closes last.
Result<void> Limiter::attach(const Cgroup& cgroup) {
  Kernel& kernel = *kernel_;
  limiter_bpf* const limiter = kernel.limiter.get();
  const auto keep = [&kernel](Link link) { kernel.links.push_back(std::move(link)); };
  if (auto hooked = hook_adopted(kernel); !hooked) return hooked;
  auto attached = to_link(bpf_program__attach_trace(limiter->progs.release_destroyed),
                          "to tracepoint tcp_destroy_sock")
                      .map(keep);
  if (!attached) return attached;
  attached = to_link(bpf_program__attach_cgroup(limiter->progs.track, cgroup.fd.get()),
                     "sock_ops to cgroup " + cgroup.path)
                 .map(keep);
  if (!attached) return attached;
  if (auto adopted = rekey(); !adopted) {
    return fail("cannot count the connections that are already open", adopted.error());
  }
  return to_link(bpf_program__attach_netns(limiter->progs.admit, kernel.netns->fd()),
                 "sk_lookup to the network namespace")
      .map(keep);
}

Result<void> Limiter::hook_adopted(Kernel& kernel) {
  const std::lock_guard lock(kernel.policy_lock);
  if (kernel.adopted_hook) return {};
  auto link = to_link(bpf_program__attach_trace(kernel.limiter->progs.release_adopted),
                      "to tracepoint inet_sock_set_state");
  if (!link) return tl::unexpected(link.error());
  kernel.adopted_hook = std::move(*link);
  return {};
}

void Limiter::drop_idle_hooks() {
  // A change that is under way may be about to adopt connections.
  const std::unique_lock change(kernel_->change, std::try_to_lock);
  if (!change) return;
  const std::lock_guard lock(kernel_->policy_lock);
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
  const auto found = find({std::nullopt, HG_NO_RULE, HG_CONNECTION_OVERSHOOT});
  if (!found) return tl::unexpected(found.error());
  std::vector<hg_event> events;
  events.reserve(found->size());
  for (const hg_live& live : *found) events.push_back(order_to_close(live));
  return events;
}

}  // namespace headgate::kernel
