// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/interfaces.h"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vlan.h>
#include <netlink/socket.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/unique_fd.h"

namespace headgate::kernel {
namespace {

struct CacheDestroyer {
  void operator()(nl_cache* cache) const { nl_cache_free(cache); }
};

tl::unexpected<Error> fail_netlink(const std::string& what, int error) {
  const ErrorCode code = error == -NLE_PERM ? ErrorCode::kPermissionDenied : ErrorCode::kInternal;
  return fail(code, what + ": " + nl_geterror(error));
}

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : text;
}

Interface to_interface(rtnl_link* link) {
  Interface made;
  made.index = static_cast<std::uint32_t>(rtnl_link_get_ifindex(link));
  made.name = text_or_empty(rtnl_link_get_name(link));
  made.kind = text_or_empty(rtnl_link_get_type(link));
  made.is_ethernet = rtnl_link_get_arptype(link) == ARPHRD_ETHER;
  const nl_addr* const address = rtnl_link_get_addr(link);
  if (address != nullptr && nl_addr_get_len(address) == made.mac.size()) {
    std::memcpy(made.mac.data(), nl_addr_get_binary_addr(address), made.mac.size());
  }
  made.master = static_cast<std::uint32_t>(rtnl_link_get_master(link));
  // Of a device in another namespace this would be the index there.
  int elsewhere = 0;
  if (rtnl_link_get_link_netnsid(link, &elsewhere) != 0) {
    made.lower = static_cast<std::uint32_t>(rtnl_link_get_link(link));
  }
  if (rtnl_link_is_vlan(link) != 0) {
    made.vlan_id = static_cast<std::uint16_t>(rtnl_link_vlan_get_id(link));
  }
  return made;
}

}  // namespace

void NetlinkDestroyer::operator()(nl_sock* socket) const {
  nl_socket_free(socket);
}

Result<InterfaceList> InterfaceList::open(const NetworkNamespace& netns) {
  InterfaceList list;
  const Result<void> inside = netns.run_inside([&list]() -> Result<void> {
    for (Netlink* const socket : {&list.requests_, &list.changes_}) {
      socket->reset(nl_socket_alloc());
      if (!*socket) return fail(ErrorCode::kUnavailable, "there is no memory for a netlink socket");
      if (const int error = nl_connect(socket->get(), NETLINK_ROUTE); error != 0) {
        return fail_netlink("cannot open a rtnetlink socket", error);
      }
    }
    if (const int error = nl_socket_add_memberships(list.changes_.get(), RTNLGRP_LINK,
                                                    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0);
        error != 0) {
      return fail_netlink("cannot follow the network interfaces", error);
    }
    return {};
  });
  if (!inside) return tl::unexpected(inside.error());
  return list;
}

bool InterfaceList::may_have_changed() {
  bool has = std::exchange(is_first_, false);
  char first = 0;
  for (;;) {
    const int fd = nl_socket_get_fd(changes_.get());
    if (recv(fd, &first, sizeof(first), MSG_DONTWAIT | MSG_TRUNC) < 0 && errno != ENOBUFS) break;
    has = true;  // ENOBUFS: more than there was room for
  }
  return has;
}

Result<std::vector<Interface>> InterfaceList::read() const {
  nl_cache* raw = nullptr;
  const int error = rtnl_link_alloc_cache(requests_.get(), AF_UNSPEC, &raw);
  if (error != 0) return fail_netlink("cannot list the network interfaces", error);
  const std::unique_ptr<nl_cache, CacheDestroyer> cache(raw);
  std::vector<Interface> all;
  for (nl_object* one = nl_cache_get_first(raw); one != nullptr; one = nl_cache_get_next(one)) {
    all.push_back(to_interface(reinterpret_cast<rtnl_link*>(one)));
  }
  std::sort(all.begin(), all.end(),
            [](const Interface& a, const Interface& b) { return a.index < b.index; });
  return all;
}

Result<std::vector<IpAddress>> InterfaceList::read_addresses() const {
  nl_cache* raw = nullptr;
  const int error = rtnl_addr_alloc_cache(requests_.get(), &raw);
  if (error != 0) return fail_netlink("cannot list the addresses of network interfaces", error);
  const std::unique_ptr<nl_cache, CacheDestroyer> cache(raw);
  std::vector<IpAddress> all;
  for (nl_object* one = nl_cache_get_first(raw); one != nullptr; one = nl_cache_get_next(one)) {
    const nl_addr* const local = rtnl_addr_get_local(reinterpret_cast<rtnl_addr*>(one));
    if (local == nullptr) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = nl_addr_get_family(local);
    if (inet_ntop(family, nl_addr_get_binary_addr(local), text.data(), text.size()) == nullptr) {
      continue;
    }
    if (auto address = IpAddress::parse(text.data())) all.push_back(*address);
  }
  std::sort(all.begin(), all.end());
  return all;
}

bool may_hide_tags(const std::string& interface) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_value flags{};
  flags.cmd = ETHTOOL_GFLAGS;
  ifreq request{};
  interface.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
  request.ifr_data = reinterpret_cast<char*>(&flags);
  if (!socket || ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return true;  // who knows
  return (flags.data & ETH_FLAG_RXVLAN) != 0;
}

}  // namespace headgate::kernel
