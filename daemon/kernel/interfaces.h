// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "daemon/kernel/netns.h"

struct nl_sock;

namespace headgate::kernel {

// A network interface, as rtnetlink tells of it.
struct Interface {
  std::uint32_t index = 0;
  std::string name;
  std::string kind;          // "veth", "vlan", "bridge", …; empty: most hardware has none
  bool is_ethernet = false;  // its frames have Ethernet headers
  std::array<std::uint8_t, 6> mac{};
  std::uint32_t master = 0;   // the bridge, bond, … that it is a port of; 0: none
  std::uint32_t lower = 0;    // the device of this namespace that it stands on; 0: none
  std::uint16_t vlan_id = 0;  // of kind "vlan"
};

struct NetlinkDestroyer {
  void operator()(nl_sock* socket) const;
};

// The interfaces of one network namespace, and their addresses. Not thread-safe.
class InterfaceList {
 public:
  static Result<InterfaceList> open(const NetworkNamespace& netns);

  // May they be others than when this was last asked? At first: yes. Does not block.
  bool may_have_changed();
  Result<std::vector<Interface>> read() const;
  // The addresses that they have, sorted.
  Result<std::vector<IpAddress>> read_addresses() const;

 private:
  using Netlink = std::unique_ptr<nl_sock, NetlinkDestroyer>;

  Netlink requests_;
  Netlink changes_;
  bool is_first_ = true;
};

// Does the device take VLAN tags off before an XDP program sees the frame? To be called inside the
// namespace.
bool may_hide_tags(const std::string& interface);

}  // namespace headgate::kernel
