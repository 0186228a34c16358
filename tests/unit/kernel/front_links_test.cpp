// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/front_links.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace headgate::kernel {
namespace {

Interface device(std::uint32_t index, const std::string& name, const std::string& kind = "") {
  Interface made;
  made.index = index;
  made.name = name;
  made.kind = kind;
  made.is_ethernet = true;
  made.mac = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(index)};
  return made;
}

Interface port(std::uint32_t index, const std::string& name, std::uint32_t master) {
  Interface made = device(index, name);
  made.master = master;
  return made;
}

Interface vlan(std::uint32_t index, std::uint16_t id, std::uint32_t lower,
               std::uint32_t master = 0) {
  Interface made = device(index, "vlan", "vlan");
  made.vlan_id = id;
  made.lower = lower;
  made.master = master;
  return made;
}

// The device by the tags: "", "100", "100.200".
std::map<std::string, std::uint32_t> links_of(const Interface& front,
                                              const std::vector<Interface>& all) {
  std::map<std::string, std::uint32_t> found;
  for (const FrontLink& one : find_links(front, all, false)) {
    std::string tags = one.outer_vlan == 0 ? "" : std::to_string(one.outer_vlan);
    if (one.inner_vlan != 0) tags += "." + std::to_string(one.inner_vlan);
    EXPECT_TRUE(found.emplace(tags, one.link.index).second) << "twice: " << tags;
    EXPECT_EQ(one.link.mac[5], one.link.index) << "the address of the device that has the frames";
    EXPECT_EQ(one.link.flags, 0);
  }
  return found;
}

using Links = std::map<std::string, std::uint32_t>;

TEST(FrontLinks, OfAnInterfaceByItself) {
  const Interface eth0 = device(2, "eth0");
  EXPECT_EQ(links_of(eth0, {device(1, "lo"), eth0, device(3, "eth1")}), (Links{{"", 2}}));
}

TEST(FrontLinks, OfABridgeBondOrTeamAreTheMasters) {
  for (const std::string kind : {"bridge", "bond", "team"}) {
    const Interface eth0 = port(2, "eth0", 9);
    EXPECT_EQ(links_of(eth0, {eth0, port(3, "eth1", 9), device(9, "br0", kind)}), (Links{{"", 9}}))
        << kind;
  }
}

TEST(FrontLinks, OfAVrfAreItsOwn) {
  const Interface eth0 = port(2, "eth0", 9);
  EXPECT_EQ(links_of(eth0, {eth0, device(9, "red", "vrf")}), (Links{{"", 2}}));
}

TEST(FrontLinks, OfAMasterThatIsNotKnownAreNone) {
  const Interface eth0 = port(2, "eth0", 9);
  EXPECT_EQ(links_of(eth0, {eth0, device(9, "ovs-system", "openvswitch")}), Links{});
  EXPECT_EQ(links_of(eth0, {eth0}), Links{}) << "it is in another namespace, or has just gone";
}

TEST(FrontLinks, OfVlansAndOfVlansInThem) {
  const Interface eth0 = device(2, "eth0");
  EXPECT_EQ(links_of(eth0, {eth0, vlan(4, 100, 2), vlan(5, 200, 4), vlan(6, 300, 2),
                            vlan(7, 100, 3), vlan(8, 400, 5)}),
            (Links{{"", 2}, {"100", 4}, {"100.200", 5}, {"300", 6}}))
      << "a third tag is not parsed";
}

TEST(FrontLinks, OfVlansOnTheBridgeAndInABridge) {
  const Interface eth0 = port(2, "eth0", 9);
  EXPECT_EQ(links_of(eth0, {eth0, device(9, "br0", "bridge"), vlan(4, 100, 9), vlan(5, 200, 2),
                            vlan(6, 100, 2, 10), device(10, "br100", "bridge")}),
            (Links{{"", 9}, {"100", 10}, {"200", 5}}))
      << "a VLAN device on the port itself is first";
}

TEST(FrontLinks, HideTagsOnlyWhereThereAreVlans) {
  const Interface eth0 = device(2, "eth0");
  EXPECT_EQ(find_links(eth0, {eth0}, true).at(0).link.flags, 0);
  for (const FrontLink& one : find_links(eth0, {eth0, vlan(4, 100, 2)}, true)) {
    EXPECT_EQ(one.link.flags, HG_LINK_HIDES_TAGS);
  }
}

TEST(FrontLinks, OfABondInABridgeAreTheBridges) {
  const Interface eth0 = port(2, "eth0", 3);
  Interface bond = device(3, "bond0", "bond");
  bond.master = 4;
  EXPECT_EQ(links_of(eth0, {eth0, bond, device(4, "br0", "bridge"), vlan(5, 100, 3)}),
            (Links{{"", 4}, {"100", 5}}));
}

TEST(FrontLinks, OfMastersInACircleAreNone) {
  const Interface eth0 = port(2, "eth0", 3);
  Interface bond = device(3, "bond0", "bond");
  bond.master = 2;
  Interface other = eth0;
  other.kind = "bond";
  EXPECT_EQ(links_of(eth0, {other, bond}), Links{});
}

}  // namespace
}  // namespace headgate::kernel
