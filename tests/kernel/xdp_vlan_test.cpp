// SPDX-License-Identifier: Apache-2.0
// The front line and real VLAN devices. Where the kernel has none of these this fails.
#include "tests/kernel/xdp_lab.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

class XdpVlan : public XdpLab {};

// Frames with tags in them, and such as the device takes the tag off.
TEST_F(XdpVlan, JudgesVlansOfThisHostAndLeavesResetsToTheKernelWhereTagsAreHidden) {
  for (const auto& [host, interface] : ends_of(0)) {
    const std::string number = host == &lab_.server() ? "1" : "2";
    must_run({"sh", "-c",
              "ethtool -K " + interface + " rxvlan off txvlan off && ip link add link " +
                  interface + " name v5 type vlan id 5 && ip addr add 10.200.0." + number +
                  "/24 dev v5 && ip link set v5 up"},
             {.network = &host->network()});
  }
  const Endpoint web{address("10.200.0.1"), kPort};
  const Server server(lab_.server(), web);
  const Headgated headgated = start("generic", "per_client: 1");
  const auto held = hold(lab_.client(0), web, 1);
  EXPECT_TRUE(refused(lab_.client(0), web));
  EXPECT_EQ(packets(headgated, "c0", "reset", "client_connections"), 1);

  must_run({"ethtool", "-K", "c0", "rxvlan", "on"}, {.network = &lab_.server().network()});
  EXPECT_TRUE(eventually(5s, [&] {
    EXPECT_TRUE(refused(lab_.client(0), web));
    return packets(headgated, "c0", "pass", "client_connections") > 0;
  }));
}

}  // namespace
}  // namespace headgate::lab
