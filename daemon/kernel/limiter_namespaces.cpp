// SPDX-License-Identifier: Apache-2.0
// Where a Limiter limits: network namespaces, and the ports of groups of processes.
#include <bpf/bpf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "daemon/kernel/limiter.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {
namespace {

// Map `namespaces`, by cookie.
Result<std::map<std::uint64_t, hg_namespace>> read_namespaces(const bpf_map* map) {
  std::map<std::uint64_t, hg_namespace> all;
  auto seen = visit_entries<std::uint64_t, hg_namespace>(
      map, [&all](std::uint64_t cookie, const hg_namespace& one) { all[cookie] = one; });
  if (!seen) return tl::unexpected(seen.error());
  return all;
}

std::uint32_t depth_of(const std::string& path) {
  return static_cast<std::uint32_t>(std::count(path.begin(), path.end(), '/'));
}

// [::], as the programs write it: 0.0.0.0 of IPv4 is the same.
hg_address wildcard_or(const hg_address& local) {
  const bool is_any = local.word[0] == 0 && local.word[1] == 0 && local.word[3] == 0;
  return is_any ? hg_address{} : local;
}

}  // namespace

// A place of its own; that of a namespace that has gone is given out again.
Result<hg_namespace> Limiter::give_place(std::uint64_t cookie) {
  Kernel& kernel = *kernel_;
  const bpf_map* const map = kernel.limiter->maps.namespaces;
  auto known = read_namespaces(map);
  if (!known) return tl::unexpected(known.error());
  const auto mine = known->find(cookie);
  if (mine != known->end()) return mine->second;
  std::set<std::uint32_t> taken;
  for (const auto& [other, one] : *known) taken.insert(one.place);
  // The one that has been free for longest: connections of the last that had it have most likely
  // ended.
  const std::uint32_t places = kernel.settings.tables.namespaces;
  for (std::uint32_t step = 0; step < places; ++step) {
    const std::uint32_t place = (kernel.next_place + step) % places;
    if (taken.count(place) > 0) continue;
    kernel.next_place = place + 1;
    const hg_namespace given{kernel.settings.shares_counts ? 0 : place, place};
    if (!kernel.settings.shares_counts) {
      Result<void> forgotten = forget_entries_of(place);
      if (forgotten) forgotten = forget_namespace(place);
      if (!forgotten) return tl::unexpected(forgotten.error());
    }
    if (auto written = write_entry(map, cookie, given); !written) {
      return tl::unexpected(written.error());
    }
    return given;
  }
  return fail(ErrorCode::kUnavailable,
              "there are more network namespaces than tables.namespaces (" +
                  std::to_string(kernel.settings.tables.namespaces) +
                  "); a larger one, and a restart, would be right");
}

Result<std::shared_ptr<LimitedNamespace>> Limiter::open_namespace(const NamedNamespace& wanted) {
  Kernel& kernel = *kernel_;
  const std::uint64_t cookie = wanted.netns->cookie();
  auto place = give_place(cookie);
  if (!place) return tl::unexpected(place.error());
  auto opened = LimitedNamespace::open(wanted.name, wanted.netns, *place, *kernel.settings.cgroup,
                                       kernel.settings.tables, *kernel.limiter);
  if (!opened) return fail("cannot limit " + wanted.name, opened.error());
  const std::shared_ptr<LimitedNamespace> limited = std::move(*opened);
  const std::lock_guard lock(kernel.instant);
  if (kernel.namespaces.empty()) kernel.slots.set_first_namespace(cookie, *place);
  kernel.namespaces[cookie] = limited;
  return limited;
}

Result<void> Limiter::attach_gate(const LimitedNamespace& limited) {
  bpf_program* const admit = limited.gate->progs.admit;
  const int netns = limited.netns->fd();
  return kernel_->hooks.put(
      netns_hook(limited.id.place), admit,
      [admit, netns] { return bpf_program__attach_netns(admit, netns); },
      "sk_lookup to network namespace " + limited.name);
}

Result<void> Limiter::add_namespace(const NamedNamespace& added) {
  Kernel& kernel = *kernel_;
  const std::lock_guard change(kernel.change);
  const std::uint64_t cookie = added.netns->cookie();
  if (kernel.find(cookie)) return {};
  const auto known = read_namespaces(kernel.limiter->maps.namespaces);
  if (!known) return tl::unexpected(known.error());
  // One that an earlier daemon limited is counted already.
  const bool is_new = known->count(cookie) == 0;
  // If this ends in the middle, the next daemon counts again.
  const bool was_due = kernel.slots.is_recount_due();
  if (is_new) kernel.slots.set_recount_due(true);
  const Result<void> done = begin_namespace(added, is_new);
  if (done) {
    if (is_new) kernel.slots.set_recount_due(was_due);
    return {};
  }
  // One that is limited already goes on as the earlier daemon has left it.
  if (is_new) {
    drop_namespace(cookie);
  } else {
    const std::lock_guard lock(kernel.instant);
    kernel.namespaces.erase(cookie);
  }
  return done;
}

Result<void> Limiter::begin_namespace(const NamedNamespace& added, bool is_new) {
  const auto limited = open_namespace(added);
  if (!limited) return tl::unexpected(limited.error());
  if (is_new) {
    if (auto hooked = hook_adopted(); !hooked) return hooked;
    if (const auto counted = recount(); !counted) return tl::unexpected(counted.error());
  }
  return attach_gate(**limited);
}

void Limiter::remove_namespace(std::uint64_t cookie) {
  const std::lock_guard change(kernel_->change);
  drop_namespace(cookie);
}

// The caller holds `change`, or nobody else has this Limiter yet.
void Limiter::drop_namespace(std::uint64_t cookie) {
  Kernel& kernel = *kernel_;
  const bpf_map* const map = kernel.limiter->maps.namespaces;
  const auto known = read_namespaces(map);
  if (!known) return;
  const auto place = known->find(cookie);
  if (place == known->end()) return;
  const auto limited = kernel.find(cookie);
  kernel.hooks.drop(netns_hook(place->second.place));
  (void)remove_entry(map, cookie);
  {
    const std::lock_guard lock(kernel.instant);
    kernel.namespaces.erase(cookie);
    if (kernel.namespaces.empty()) {
      kernel.slots.set_first_namespace(0, {});
    } else {
      const auto& [first, one] = *kernel.namespaces.begin();
      kernel.slots.set_first_namespace(first, one->id);
    }
  }
  // It may live on without a name; its connections are nobody's now.
  (void)kernel.slots.wait_for_programs();  // that may be counting one more
  if (!kernel.settings.shares_counts) {
    (void)forget_entries_of(place->second.number);
  } else if (limited) {
    const std::lock_guard lock(kernel.walks);
    auto sockets = limited->list();
    if (sockets) (void)run_on(kernel.limiter->progs.forget, *sockets);
  }
}

// Takes off what connections of a namespace have been counted for.
Result<void> Limiter::forget_entries_of(std::uint32_t number) {
  std::vector<hg_socket> sockets;
  auto seen = visit_connections([&](const hg_connection& entry) {
    if (entry.netns == number && (entry.flags & HG_CONNECTION_REPLY) == 0) {
      sockets.emplace_back().cookie = entry.cookie;
    }
  });
  if (!seen) return seen;
  const std::lock_guard lock(kernel_->walks);
  return run_on(kernel_->limiter->progs.forget, sockets);
}

// Of an earlier daemon, those that are wanted no more: all, or as many as have places that are
// needed. Returns whether there were any.
bool Limiter::drop_foreign_namespaces(const std::vector<NamedNamespace>& wanted,
                                      bool only_in_the_way) {
  const auto known = read_namespaces(kernel_->limiter->maps.namespaces);
  if (!known) return false;
  bool are_any = false;
  std::set<std::uint64_t> ours;
  std::size_t taken = known->size();
  for (const NamedNamespace& one : wanted) {
    const std::uint64_t cookie = one.netns->cookie();
    if (ours.insert(cookie).second && known->count(cookie) == 0) ++taken;
  }
  for (const auto& [cookie, one] : *known) {
    if (only_in_the_way && taken <= kernel_->settings.tables.namespaces) break;
    if (ours.count(cookie) > 0) continue;
    drop_namespace(cookie);
    --taken;
    are_any = true;
  }
  return are_any;
}

std::vector<NamedNamespace> Limiter::namespaces() const {
  std::vector<NamedNamespace> all;
  for (const auto& limited : kernel_->limited()) all.push_back({limited->name, limited->netns});
  return all;
}

std::string Limiter::netns_name(std::uint32_t number) const {
  if (kernel_->settings.shares_counts) return {};
  for (const auto& limited : kernel_->limited()) {
    if (limited->id.number == number) return limited->name;
  }
  return "?";
}

std::optional<std::uint64_t> Limiter::find_netns(const std::string& name) const {
  std::optional<std::uint64_t> first;
  for (const auto& limited : kernel_->limited()) {
    if (limited->name == name) return limited->netns->cookie();
    if (name.empty() && (!first || limited->id.place == 0)) first = limited->netns->cookie();
  }
  return first;
}

// Groups.

Result<void> Limiter::hook_group(const GroupCgroup& wanted) {
  Kernel& kernel = *kernel_;
  const auto cgroup = open_cgroup(wanted.path);
  if (!cgroup) return tl::unexpected(cgroup.error());
  const auto known = kernel.groups.find(wanted.group);
  if (known != kernel.groups.end() && known->second.id == cgroup->id) return {};
  auto program = open_program("note_listening", kernel.settings.tables, *kernel.limiter);
  if (!program) return tl::unexpected(program.error());
  (*program)->rodata->listening_group.group = wanted.group;
  (*program)->rodata->listening_group.depth = depth_of(wanted.path);
  if (auto loaded = load_programs(**program); !loaded) return loaded;
  bpf_program* const note = (*program)->progs.note_listening;
  const int fd = cgroup->fd.get();
  // A link stays with the cgroup that it was made for: the former one's may be another's, or gone.
  kernel.hooks.drop(group_hook(wanted.group));
  auto hooked = kernel.hooks.put(
      group_hook(wanted.group), note, [note, fd] { return bpf_program__attach_cgroup(note, fd); },
      "sock_ops to cgroup " + wanted.path);
  if (!hooked) return hooked;
  kernel.groups[wanted.group] = {wanted.path, cgroup->id, std::move(*program)};
  return {};
}

Result<void> Limiter::follow_groups(const std::vector<GroupCgroup>& groups) {
  const std::lock_guard change(kernel_->change);
  // A group that cannot be followed keeps no other one from it.
  const Result<void> all_hooked = hook_groups(groups);
  if (auto synced = sync_listening(); !synced) return synced;
  if (!kernel_->must_recount_groups) return all_hooked;
  if (auto hooked = hook_adopted(); !hooked) return hooked;
  if (const auto counted = recount(); !counted) return tl::unexpected(counted.error());
  kernel_->must_recount_groups = false;
  return all_hooked;
}

// Attaches what is not attached yet, and detaches what is wanted no more.
Result<void> Limiter::hook_groups(const std::vector<GroupCgroup>& groups) {
  Kernel& kernel = *kernel_;
  std::set<policy::GroupId> wanted;
  std::set<std::string> hooks;
  Result<void> done;
  for (const GroupCgroup& group : groups) {
    wanted.insert(group.group);
    hooks.insert(group_hook(group.group));
    // A unit may stop at any time: then it has no group to attach to.
    auto hooked = hook_group(group);
    if (!hooked && hooked.error().code != ErrorCode::kNotFound) done = hooked;
  }
  kernel.hooks.drop_others([&hooks](const std::string& name) {
    return name.rfind("group_", 0) != 0 || hooks.count(name) > 0;
  });
  std::erase_if(kernel.groups, [&wanted](const auto& one) { return wanted.count(one.first) == 0; });
  return done;
}

// What the sockets of the groups listen on now. The deepest group wins, then the first.
Result<std::map<ListeningKey, hg_listening>> Limiter::find_listening() const {
  Kernel& kernel = *kernel_;
  std::map<std::uint64_t, hg_listening> owners;  // by the number of the cgroup
  for (const auto& [id, group] : kernel.groups) {
    const std::uint32_t depth = depth_of(group.path);
    for (const std::uint64_t cgroup : list_cgroups(group.path)) {
      const auto [owner, is_first] = owners.try_emplace(cgroup, hg_listening{id, depth});
      if (!is_first && owner->second.depth < depth) owner->second = {id, depth};
    }
  }
  std::map<ListeningKey, hg_listening> wanted;
  if (owners.empty()) return wanted;
  const std::lock_guard walk(kernel.walks);
  for (const auto& limited : kernel.limited()) {
    const auto listeners = limited->sockets.list_listeners();
    if (!listeners) return tl::unexpected(listeners.error());
    for (const hg_socket& listener : *listeners) {
      const auto owner = owners.find(listener.counted.cookie);
      if (owner == owners.end()) continue;
      ListeningKey key{};
      key.netns_cookie = limited->netns->cookie();
      key.local = wildcard_or(listener.local);
      key.port = listener.local_port;
      const auto [entry, is_first] = wanted.try_emplace(key, owner->second);
      const hg_listening& other = owner->second;
      const bool is_better =
          other.depth > entry->second.depth ||
          (other.depth == entry->second.depth && other.group < entry->second.group);
      if (!is_first && is_better) entry->second = other;
    }
  }
  return wanted;
}

// Makes map `listening` say what the sockets of the groups listen on now.
Result<void> Limiter::sync_listening() {
  Kernel& kernel = *kernel_;
  const bpf_map* const map = kernel.limiter->maps.listening;
  std::map<ListeningKey, hg_listening> known;
  auto seen = visit_entries<hg_listening_key, hg_listening>(
      map, [&known](const hg_listening_key& key, const hg_listening& one) { known[{key}] = one; });
  if (!seen) return seen;
  const auto wanted = find_listening();
  if (!wanted) return tl::unexpected(wanted.error());
  for (const auto& [key, owner] : *wanted) {
    const auto there = known.find(key);
    if (there != known.end() && there->second.group == owner.group) continue;
    kernel.must_recount_groups = true;
    const hg_listening_key& plain = key;
    if (auto written = write_entry(map, plain, owner); !written) return written;
  }
  // What has just begun to listen may be missing in the list: an entry goes at the second look.
  std::set<ListeningKey> missing;
  for (const auto& [key, one] : known) {
    if (wanted->count(key) > 0) continue;
    if (kernel.stale_listening.count(key) == 0) {
      missing.insert(key);
      continue;
    }
    kernel.must_recount_groups = true;
    const hg_listening_key& plain = key;
    if (auto removed = remove_entry(map, plain); !removed) return removed;
  }
  kernel.stale_listening = std::move(missing);
  return {};
}

}  // namespace headgate::kernel
