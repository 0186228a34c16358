// SPDX-License-Identifier: Apache-2.0
// How a Limiter deals with the connections that are open: counts them anew, and finds some.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>

#include "daemon/kernel/address.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {
namespace {

hg_live to_live(const hg_socket& socket) {
  hg_live live{};
  live.cookie = socket.cookie;
  live.netns_cookie = socket.netns_cookie;
  live.netns = socket.counted.netns;
  live.opened = socket.counted.opened;
  live.interface = socket.interface;
  live.remote = socket.remote;
  live.local = socket.local;
  live.client = socket.counted.client;
  live.remote_port = socket.remote_port;
  live.local_port = socket.local_port;
  live.rule = socket.counted.rule;
  live.network_bits = socket.counted.network_bits;
  live.flags = socket.counted.flags;
  return live;
}

}  // namespace

Result<void> Limiter::run_once(const bpf_program* program) {
  bpf_sk_lookup context{};
  context.family = AF_INET;
  context.protocol = IPPROTO_TCP;
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.ctx_in = &context;
  options.ctx_size_in = sizeof(context);
  if (bpf_prog_test_run_opts(bpf_program__fd(program), &options) == 0) return {};
  return fail_errno(std::string("cannot run program ") + bpf_program__name(program), errno);
}

// Runs `program` on all of them, and takes over what it says about each. The caller holds `walks`.
Result<void> Limiter::run_on(const bpf_program* program, std::vector<hg_socket>& sockets) const {
  for (std::size_t first = 0; first < sockets.size(); first += HG_SOCKETS) {
    const std::size_t count = std::min<std::size_t>(HG_SOCKETS, sockets.size() - first);
    std::copy_n(sockets.begin() + static_cast<std::ptrdiff_t>(first), count,
                kernel_->sockets.at(0));
    const auto told = write_entry(kernel_->limiter->maps.socket_count, std::uint32_t{0},
                                  static_cast<std::uint32_t>(count));
    if (!told) return told;
    if (auto ran = run_once(program); !ran) return ran;
    std::copy_n(kernel_->sockets.at(0), count,
                sockets.begin() + static_cast<std::ptrdiff_t>(first));
  }
  return {};
}

// Those that have been closed since they were listed. The caller holds `walks`.
Result<std::vector<hg_socket>> Limiter::find_closed(const std::vector<hg_socket>& sockets) const {
  std::vector<hg_socket> closed;
  if (sockets.empty()) return closed;
  const auto open = list_open();
  if (!open) return open;
  std::unordered_set<std::uint64_t> alive;
  for (const hg_socket& socket : *open) alive.insert(socket.cookie);
  for (const hg_socket& socket : sockets) {
    if (alive.count(socket.cookie) > 0) continue;
    const auto limited = kernel_->find(socket.netns_cookie);
    if (!limited) continue;  // its namespace has just gone, with all its sockets
    const auto is_open = limited->sockets.is_open(socket);  // the listing may have missed it
    if (!is_open) return tl::unexpected(is_open.error());
    if (!*is_open) closed.push_back(socket);
  }
  return closed;
}

// Leaves `is_ours` to those alone that nobody counts. A connection that has no entry may have been
// counted, and have ended since it was listed; one that is open after the look at its entry has had
// none while it was open.
Result<void> Limiter::mark_uncounted(std::vector<hg_socket>& sockets) const {
  auto looked = run_on(kernel_->limiter->progs.look_up, sockets);
  if (!looked) return looked;
  std::vector<hg_socket> without;
  for (hg_socket& socket : sockets) {
    if (socket.counted.cookie == socket.cookie) socket.is_ours = 0;
    if (socket.is_ours != 0 && socket.wanted.rule != HG_NO_RULE) without.push_back(socket);
  }
  const auto closed = find_closed(without);
  if (!closed) return tl::unexpected(closed.error());
  std::unordered_set<std::uint64_t> cookies;
  for (const hg_socket& socket : *closed) cookies.insert(socket.cookie);
  for (hg_socket& socket : sockets) {
    if (cookies.count(socket.cookie) > 0) socket.is_ours = 0;
  }
  return {};
}

// The caller holds `walks`. Of all the namespaces, what is open now.
Result<std::vector<hg_socket>> Limiter::list_open() const {
  std::vector<hg_socket> all;
  for (const auto& limited : kernel_->limited()) {
    const auto listed = limited->list();
    if (!listed) return fail("cannot list the sockets of " + limited->name, listed.error());
    all.insert(all.end(), listed->begin(), listed->end());
  }
  return all;
}

Result<std::uint64_t> Limiter::recount() {
  // If this ends in the middle, the next daemon counts again.
  const bool was_due = kernel_->slots.is_recount_due();
  kernel_->slots.set_recount_due(true);
  auto moved = recount_now();
  if (moved) kernel_->slots.set_recount_due(was_due);
  return moved;
}

Result<std::uint64_t> Limiter::recount_now() {
  const std::lock_guard lock(kernel_->walks);
  const auto untracked = count_untracked();
  if (!untracked) return tl::unexpected(untracked.error());
  // Who has read the former policy, or began before the hooks were attached, has ended; then every
  // connection that they have counted, or not, is among the open ones.
  if (auto waited = kernel_->slots.wait_for_programs(); !waited) {
    return tl::unexpected(waited.error());
  }
  auto sockets = list_open();
  if (!sockets) return tl::unexpected(sockets.error());
  auto done = mark_uncounted(*sockets);
  kernel_->slots.renew_judging_pause();
  if (done) done = run_on(kernel_->limiter->progs.reconcile, *sockets);
  if (!done) return tl::unexpected(done.error());
  kernel_->slots.renew_judging_pause();
  std::uint64_t moved = 0;
  std::vector<hg_socket> counted;
  for (const hg_socket& socket : *sockets) {
    if (socket.outcome == HG_SOCKET_LEFT) continue;
    counted.push_back(socket);
    if (socket.outcome == HG_SOCKET_MOVED) ++moved;
  }
  // Sockets that died while they were being counted: their end found no entry to undo.
  auto closed = find_closed(counted);
  if (!closed) return tl::unexpected(closed.error());
  done = run_on(kernel_->limiter->progs.forget, *closed);
  if (!done) return tl::unexpected(done.error());
  const auto untracked_now = count_untracked();
  if (!untracked_now) return tl::unexpected(untracked_now.error());
  if (*untracked_now == *untracked) kernel_->settled_untracked = *untracked;
  return moved;
}

Result<std::uint64_t> Limiter::rekey() {
  const std::lock_guard change(kernel_->change);
  if (auto hooked = hook_adopted(); !hooked) return tl::unexpected(hooked.error());
  return rekey_now();
}

// The caller holds `change`, and has the adopted hook attached.
Result<std::uint64_t> Limiter::rekey_now() {
  kernel_->slots.set_recount_due(true);
  kernel_->slots.pause_judging();
  auto moved = recount();
  kernel_->slots.end_judging_pause();
  if (moved) kernel_->slots.set_recount_due(false);
  return moved;
}

Result<std::vector<hg_live>> Limiter::find(const LiveFilter& filter) const {
  const std::lock_guard lock(kernel_->walks);
  auto sockets = list_open();
  if (!sockets) return tl::unexpected(sockets.error());
  if (filter.client) {
    std::erase_if(*sockets, [&filter](const hg_socket& socket) {
      return !is_within(socket.remote, *filter.client);
    });
  }
  auto done = run_on(kernel_->limiter->progs.look_up, *sockets);
  if (!done) return tl::unexpected(done.error());
  std::vector<hg_live> found;
  for (const hg_socket& socket : *sockets) {
    const hg_connection& counted = socket.counted;
    if (counted.cookie != socket.cookie || (counted.flags & HG_CONNECTION_REPLY) != 0) continue;
    if (filter.rule != HG_NO_RULE && counted.rule != filter.rule) continue;
    if (filter.netns_cookie && socket.netns_cookie != *filter.netns_cookie) continue;
    if ((counted.flags & filter.flags) == filter.flags) found.push_back(to_live(socket));
  }
  return found;
}

Result<bool> Limiter::close(const hg_event& event) const {
  const auto limited = kernel_->find(event.netns_cookie);
  return limited ? limited->close(event) : Result<bool>(false);
}

}  // namespace headgate::kernel
