// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/front_links.h"

#include <algorithm>
#include <array>

namespace headgate::kernel {
namespace {

using Tags = std::array<std::uint16_t, 2>;  // the outer one first; 0: none

// Collects what is on a device, and on the VLAN devices on it.
class Links {
 public:
  explicit Links(const std::vector<Interface>& all) : all_(all) {}

  // `depth`: how many tags lead to the device.
  void add(const Interface& device, const Tags& tags, std::size_t depth) {
    // A tag is looked at before the frame goes on to a bridge or bond, so the device's own are
    // first; those of the bridge are for the others.
    add_vlans(device, tags, depth);
    const Interface* const holder = find_holder(device);
    if (holder == nullptr) return;
    if (holder != &device) add_vlans(*holder, tags, depth);
    put(*holder, tags);
  }

  std::vector<FrontLink> take() { return std::move(found_); }

 private:
  // Which device takes what comes without a further tag; null: one that keeps it to itself.
  const Interface* find_holder(const Interface& device) const {
    if (device.master == 0) return &device;
    const auto master = std::find_if(all_.begin(), all_.end(), [&device](const Interface& one) {
      return one.index == device.master;
    });
    if (master == all_.end()) return nullptr;
    if (master->kind == "vrf") return &device;
    const bool is_known =
        master->kind == "bridge" || master->kind == "bond" || master->kind == "team";
    return is_known ? &*master : nullptr;
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
