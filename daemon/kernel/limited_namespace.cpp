// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/limited_namespace.h"

#include <utility>

namespace headgate::kernel {

Result<std::unique_ptr<LimitedNamespace>> LimitedNamespace::open(
    std::string name, std::shared_ptr<const NetworkNamespace> netns, hg_namespace id,
    const Cgroup& cgroup, const config::TableSizes& sizes, const limiter_bpf& owner) {
  auto made = std::make_unique<LimitedNamespace>();
  made->name = std::move(name);
  made->id = id;
  auto gate = open_program("admit", sizes, owner);
  if (!gate) return tl::unexpected(gate.error());
  made->gate = std::move(*gate);
  made->gate->rodata->netns_cookie = netns->cookie();
  made->gate->rodata->netns.number = id.number;
  made->gate->rodata->netns.place = id.place;
  if (auto loaded = load_programs(*made->gate); !loaded) return tl::unexpected(loaded.error());

  auto sockets = SocketList::open(*netns, cgroup);
  if (!sockets) return tl::unexpected(sockets.error());
  made->sockets = std::move(*sockets);
  auto killer = SocketKiller::open(*netns);
  if (!killer) return tl::unexpected(killer.error());
  made->killer_ = std::move(*killer);
  made->netns = std::move(netns);
  return made;
}

Result<bool> LimitedNamespace::close(const hg_event& event) {
  const std::lock_guard lock(killing_);
  return killer_.destroy(event);
}

Result<std::vector<hg_socket>> LimitedNamespace::list() {
  auto listed = sockets.list();
  if (!listed) return listed;
  for (hg_socket& socket : *listed) {
    socket.netns_cookie = netns->cookie();
    socket.netns = id.number;
  }
  return listed;
}

}  // namespace headgate::kernel
