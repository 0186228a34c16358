// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/front_links.h"

#include <algorithm>
#include <array>

namespace headgate::kernel {
namespace {

constexpr int kMostMasters = 8;  // a bond in a bridge makes two; the kernel allows 8

using Tags = std::array<std::uint16_t, 2>;  // the outer one first; 0: none

// Collects what is on a device, and on the VLAN devices on it.
class Links {
 public:
  explicit Links(const std::vector<Interface>& all) : all_(all) {}

  // `depth`: how many tags lead to the device.
  void add(const Interface& device, const Tags& tags, std::size_t depth) {
    const Interface* holder = &device;
    for (int level = 0; level < kMostMasters; ++level) {
      // A device's own VLANs have their frames before the bridge or bond that it is a port of.
      add_vlans(*holder, tags, depth);
      const Interface* const master = find(holder->master);
      if (holder->master == 0 || (master != nullptr && master->kind == "vrf")) {
        put(*holder, tags);
        return;
      }
      if (master == nullptr || !hands_on(*master)) return;
      holder = master;
    }
  }

  std::vector<FrontLink> take() { return std::move(found_); }

 private:
  const Interface* find(std::uint32_t index) const {
    const auto found = std::find_if(all_.begin(), all_.end(),
                                    [index](const Interface& one) { return one.index == index; });
    return found == all_.end() ? nullptr : &*found;
  }

  // Does it have the addresses for which its ports receive?
  static bool hands_on(const Interface& master) {
    return master.kind == "bridge" || master.kind == "bond" || master.kind == "team";
  }

  void add_vlans(const Interface& device, const Tags& tags, std::size_t depth) {
    if (depth == tags.size()) return;
    for (const Interface& one : all_) {
      if (one.kind != "vlan" || one.lower != device.index || one.vlan_id == 0) continue;
      Tags more = tags;
      more[depth] = one.vlan_id;
      add(one, more, depth + 1);
    }
  }

  void put(const Interface& device, const Tags& tags) {
    const bool is_known = std::any_of(found_.begin(), found_.end(), [&tags](const FrontLink& one) {
      return one.outer_vlan == tags[0] && one.inner_vlan == tags[1];
    });
    if (is_known) return;
    FrontLink made{tags[0], tags[1], {}};
    made.link.index = device.index;
    std::copy(device.mac.begin(), device.mac.end(), made.link.mac);
    found_.push_back(made);
  }

  const std::vector<Interface>& all_;
  std::vector<FrontLink> found_;
};

}  // namespace

std::vector<FrontLink> find_links(const Interface& front, const std::vector<Interface>& all,
                                  bool hides_tags) {
  Links links(all);
  links.add(front, {}, 0);
  std::vector<FrontLink> found = links.take();
  const bool has_vlans = std::any_of(found.begin(), found.end(),
                                     [](const FrontLink& one) { return one.outer_vlan != 0; });
  if (hides_tags && has_vlans) {
    for (FrontLink& one : found) one.link.flags |= HG_LINK_HIDES_TAGS;
  }
  return found;
}

}  // namespace headgate::kernel
