// SPDX-License-Identifier: Apache-2.0
// A Limiter's life, and its events.
#include "daemon/kernel/limiter.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/kernel/clock.h"
#include "daemon/kernel/libbpf_log.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/live.h"
#include "daemon/kernel/map_io.h"
#include "daemon/kernel/pinned_maps.h"

namespace headgate::kernel {
namespace {

PolicyMaps policy_maps(const limiter_bpf& programs) {
  const auto& maps = programs.maps;
  return {maps.control, maps.ports,      maps.rules,       maps.prefixes,
          maps.groups,  maps.rule_names, maps.group_names, maps.state};
}

}  // namespace

Limiter::Limiter(std::unique_ptr<Kernel> kernel) : kernel_(std::move(kernel)) {}
Limiter::Limiter(Limiter&&) noexcept = default;
Limiter& Limiter::operator=(Limiter&&) noexcept = default;
Limiter::~Limiter() = default;

Result<Limiter> Limiter::start(PinDirectory pins, const LimiterSettings& settings,
                               const std::vector<NamedNamespace>& namespaces,
                               const Compile& compile, const FindGroups& find_groups) {
  Limiter limiter(std::make_unique<Kernel>());
  Kernel& kernel = *limiter.kernel_;
  kernel.settings = settings;
  kernel.pins = std::move(pins);
  auto programs = open_programs(settings.tables);
  if (!programs) return tl::unexpected(programs.error());
  kernel.limiter = std::move(*programs);

  const std::optional<std::string> former = kernel.pins.current();
  Result<void> started;
  if (!former) {
    const auto& inherited = kernel.pins.inherited();
    kernel.how_started =
        inherited ? "connections are counted anew, from the open sockets" : "nothing was in force";
    kernel.is_first = true;
    started = limiter.build(namespaces, compile, find_groups, inherited);
  } else if (auto reused = reuse_maps(*former, *kernel.limiter, settings); !reused) {
    kernel.how_started = "what was in force cannot be taken over (" + reused.error().to_string() +
                         "): connections are counted anew, from the open sockets";
    // What has been reused of the former maps must not be in the new state.
    auto fresh = open_programs(settings.tables);
    if (!fresh) return tl::unexpected(fresh.error());
    kernel.limiter = std::move(*fresh);
    started = limiter.build(namespaces, compile, find_groups, former);
  } else {
    kernel.how_started = "took over what was in force, with its counts";
    kernel.hooks.adopt(*former);
    started = limiter.take_over(namespaces, compile);
  }
  if (!started) return tl::unexpected(started.error());
  limiter.drop_idle_hooks();
  return limiter;
}

// Loads the programs and opens what the daemon keeps of their maps.
Result<void> Limiter::open_maps() {
  Kernel& kernel = *kernel_;
  if (auto loaded = load_programs(*kernel.limiter); !loaded) return loaded;
  const auto& maps = kernel.limiter->maps;
  auto slots = PolicySlots::open(policy_maps(*kernel.limiter));
  if (!slots) return tl::unexpected(slots.error());
  kernel.slots = std::move(*slots);
  Result<void> opened = kernel.totals.open(maps.totals);
  if (opened) opened = kernel.state.open(maps.state);
  if (opened) opened = kernel.sockets.open(maps.sockets);
  if (!opened) return opened;
  kernel.slots.set_max_replies(kernel.settings.max_replies);
  kernel.slots.set_wall_offset(static_cast<std::int64_t>(clock_ns(CLOCK_REALTIME)) -
                               static_cast<std::int64_t>(boot_ns()));
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

// The programs of another build, and the maps that the former daemon has left: in every instant
// each hook has the former program or ours.
Result<void> Limiter::take_over(const std::vector<NamedNamespace>& namespaces,
                                const Compile& compile) {
  Kernel& kernel = *kernel_;
  kernel.state_directory = *kernel.pins.current();
  if (auto opened = open_maps(); !opened) return opened;
  auto former = kernel.slots.adopt();
  if (!former) return fail("cannot read the policy in force", former.error());
  kernel.policy = std::make_shared<const policy::Policy>(*std::move(former));
  auto policy = compile(kernel.policy->numbers);
  if (!policy) return tl::unexpected(policy.error());

  if (auto attached = attach_counting(); !attached) return attached;
  const bool is_recount_due = kernel.slots.is_recount_due();
  bool has_dropped = drop_foreign_namespaces(namespaces, true);
  for (const NamedNamespace& wanted : namespaces) {
    if (auto added = add_namespace(wanted); !added && !wanted.is_optional) return added;
  }
  if (is_recount_due) {  // an earlier daemon was killed while it counted anew
    if (auto forgotten = forget_stale_entries(); !forgotten) return forgotten;
  }
  const auto changed = change(*policy);
  if (!changed) return tl::unexpected(changed.error());
  if (changed->rekey_error) return tl::unexpected(*changed->rekey_error);
  if (is_recount_due && changed->rekeyed == 0) {
    if (auto counted = rekey(); !counted) return tl::unexpected(counted.error());
  }
  has_dropped |= drop_foreign_namespaces(namespaces, false);
  return has_dropped && kernel.settings.shares_counts ? forget_stale_entries() : Result<void>{};
}

// Nothing of this is pinned before all of it is in force: a start that is killed leaves nothing.
Result<void> Limiter::build(const std::vector<NamedNamespace>& namespaces, const Compile& compile,
                            const FindGroups& find_groups,
                            const std::optional<std::string>& former) {
  Kernel& kernel = *kernel_;
  if (auto opened = open_maps(); !opened) return opened;
  write_owner(kernel.settings, *kernel.state.at(0));
  auto policy = compile({});
  if (!policy) return tl::unexpected(policy.error());
  if (auto done = kernel.slots.put_in_force(**policy); !done) return done;
  kernel.policy = std::move(*policy);
  if (former) {
    if (auto kept = keep_denials(*former, *kernel.limiter); !kept) return kept;
    kernel.slots.set_denied(HG_ANY_DENIED |
                            HG_ANY_DENIED_HARD);  // the manager says later whether there are any
  }
  if (auto attached = attach_counting(); !attached) return attached;
  // The namespaces are known from here on: what connects in them is counted.
  for (const NamedNamespace& wanted : namespaces) {
    if (auto opened = open_namespace(wanted); !opened) {
      if (!wanted.is_optional) return tl::unexpected(opened.error());
      drop_namespace(wanted.netns->cookie());
    }
  }
  (void)hook_groups(
      find_groups(*kernel.policy));  // the manager tries again, and says what is wrong
  if (auto synced = sync_listening(); !synced) return synced;
  if (auto counted = recount(); !counted) {
    return fail("cannot count the connections that are already open", counted.error());
  }
  for (const NamedNamespace& wanted : namespaces) {
    const std::uint64_t cookie = wanted.netns->cookie();
    const auto limited = kernel.find(cookie);
    if (!limited) continue;
    if (auto gated = attach_gate(*limited); !gated) {
      if (!wanted.is_optional) return gated;
      drop_namespace(cookie);
    }
  }
  auto state = kernel.pins.begin();
  if (!state) return tl::unexpected(state.error());
  Result<void> pinned = pin_maps(*state, *kernel.limiter);
  if (pinned) pinned = kernel.hooks.pin_to(*state);
  if (pinned) pinned = kernel.pins.commit(*state);
  if (!pinned) {
    (void)remove_pins(*state);  // the next start does it, if this fails, too
    return fail("cannot keep the limits in " + kernel.pins.path(), pinned.error());
  }
  kernel.state_directory = *state;
  return {};
}

bool Limiter::is_first() const {
  return kernel_->is_first;
}

const std::string& Limiter::how_started() const {
  return kernel_->how_started;
}

Result<std::size_t> Limiter::detach() {
  const std::lock_guard change(kernel_->change);
  // Others than these remove_all() has to find first.
  const std::size_t removed = detach_fronts();
  auto rest = kernel_->pins.remove_all();
  if (rest) *rest += removed;
  return rest;
}

// What counts, before what refuses by the counts.
Result<void> Limiter::attach_counting() {
  Kernel& kernel = *kernel_;
  const auto& programs = kernel.limiter->progs;
  bpf_program* const destroyed = programs.release_destroyed;
  auto done = kernel.hooks.put(
      kDestroyedHook, destroyed, [destroyed] { return bpf_program__attach_trace(destroyed); },
      "to tracepoint tcp_destroy_sock");
  if (!done) return done;
  // There may be adopted connections; drop_idle_hooks() looks whether there are.
  if (auto hooked = put_adopted(); !hooked) return hooked;
  bpf_program* const track = programs.track;
  const int cgroup = kernel.settings.cgroup->fd.get();
  return kernel.hooks.put(
      kTrackHook, track, [track, cgroup] { return bpf_program__attach_cgroup(track, cgroup); },
      "sock_ops to cgroup " + kernel.settings.cgroup->path);
}

Result<void> Limiter::hook_adopted() {
  // Linux 6.1 does not attach one program to a tracepoint twice, not even for a moment.
  if (kernel_->hooks.has(kAdoptedHook)) return {};
  return put_adopted();
}

Result<void> Limiter::put_adopted() {
  bpf_program* const program = kernel_->limiter->progs.release_adopted;
  return kernel_->hooks.put(
      kAdoptedHook, program, [program] { return bpf_program__attach_trace(program); },
      "to tracepoint inet_sock_set_state");
}

void Limiter::drop_idle_hooks() {
  // A change that is under way may be about to adopt connections.
  const std::unique_lock change(kernel_->change, std::try_to_lock);
  if (!change || !kernel_->hooks.has(kAdoptedHook)) return;
  const auto state = read_entry<hg_table_state>(kernel_->limiter->maps.table_state, 0);
  if (state && state->adopted == 0) kernel_->hooks.drop(kAdoptedHook);
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
  const auto found = find({std::nullopt, HG_NO_RULE, std::nullopt, HG_CONNECTION_OVERSHOOT});
  if (!found) return tl::unexpected(found.error());
  std::vector<hg_event> events;
  events.reserve(found->size());
  for (const hg_live& live : *found) events.push_back(order_to_close(live));
  return events;
}

}  // namespace headgate::kernel
