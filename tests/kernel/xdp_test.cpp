// SPDX-License-Identifier: Apache-2.0
// The front line of the real daemon on veth pairs, with real clients, real segmentation offloads,
// and other XDP programs.
#include "tests/kernel/support.h"
#include "tests/kernel/xdp_lab.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

struct Variant {
  const char* name;
  const char* mode;
  bool is_ipv6;
};

class XdpOn : public XdpLab, public testing::WithParamInterface<Variant> {
 protected:
  void expect_resets() const {
    if (std::string(GetParam().mode) == "native") accept_transmitted(0);
  }
  Endpoint web() const {
    return GetParam().is_ipv6 ? lab_.server_ipv6(kPort) : lab_.server_ipv4(kPort);
  }
  std::string source(int number) const {
    return GetParam().is_ipv6 ? "2001:db8:64::" + std::to_string(number)
                              : "10.64.0." + std::to_string(number);
  }
};

TEST_P(XdpOn, ARefusedClientIsResetThereAtOnceAndCountedOnce) {
  expect_resets();
  const Server server(lab_.server(), web());
  const Headgated headgated = start(GetParam().mode, "per_client: 2");
  ASSERT_EQ(front(headgated, "c0")["mode"], GetParam().mode);
  const auto held = hold(lab_.client(0), web(), 2);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(refused(lab_.client(0), web()));
  EXPECT_EQ(packets(headgated, "c0", "reset", "client_connections"), 3);
  EXPECT_EQ(headgated.refused_for("web", "client_connections"), 3U);
  // Others are not concerned, and what is admitted is counted as ever.
  const Endpoint other{address(source(7)), 0};
  EXPECT_TRUE(admitted(lab_.client(0), web(), {.from = other}));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 2));
}

TEST_P(XdpOn, ADeniedClientIsShedAndWithHardItsConnectionStops) {
  expect_resets();
  const Server server(lab_.server(), web());
  const Headgated headgated = start(GetParam().mode, "per_client: 9");
  const Endpoint from{address(source(9)), 0};
  const auto held = hold(lab_.client(0), web(), 1, from);
  ASSERT_TRUE(is_alive(held[0]));
  headgated.ctl({"deny", "add", from.address.to_string()});
  EXPECT_TRUE(refused(lab_.client(0), web(), {.from = from}));
  EXPECT_EQ(packets(headgated, "c0", "reset", "denied"), 1);
  EXPECT_TRUE(is_alive(held[0])) << "established connections go on";
  headgated.ctl({"deny", "add", from.address.to_string(), "--hard"});
  EXPECT_FALSE(is_alive(held[0], 300ms));
  EXPECT_GT(packets(headgated, "c0", "drop", "denied"), 0);
  headgated.ctl({"deny", "del", from.address.to_string()});
  EXPECT_TRUE(is_alive(held[0], 5s)) << "what was lost is sent again";
}

TEST_P(XdpOn, LargeFramesAndSegmentationOffloadsComeThrough) {
  for (const auto& [host, interface] : ends_of(0)) {
    must_run({"ip", "link", "set", interface, "mtu", "9000"}, {.network = &host->network()});
    must_run({"ethtool", "-K", interface, "tso", "on", "gso", "on", "gro", "on"},
             {.network = &host->network()});
  }
  const Server server(lab_.server(), web());
  const Headgated headgated = start(GetParam().mode, "per_client: 9");
  ASSERT_EQ(front(headgated, "c0")["mode"], GetParam().mode);
  const auto held = hold(lab_.client(0), web(), 1);
  EXPECT_TRUE(carries(held[0], 32 << 20));
}

INSTANTIATE_TEST_SUITE_P(AVeth, XdpOn,
                         testing::Values(Variant{"NativeIPv4", "native", false},
                                         Variant{"NativeIPv6", "native", true},
                                         Variant{"GenericIPv4", "generic", false},
                                         Variant{"GenericIPv6", "generic", true}),
                         [](const auto& instance) { return instance.param.name; });

class Xdp : public XdpLab {};

TEST_F(Xdp, FollowsInterfacesThatComeAndGo) {
  const Endpoint web = lab_.server_ipv4(kPort);
  const Server server(lab_.server(), web);
  const std::size_t others = dispatchers();
  const Headgated headgated = start("auto", "per_client: 1");
  EXPECT_EQ(front(headgated, "c0")["mode"], "generic") << "a veth's peer may drop what comes back";
  EXPECT_EQ(front(headgated, "c1")["mode"], "generic");

  const bool is_alone = front(headgated, "c1")["is_alone"];
  EXPECT_EQ(dispatchers() - others, is_alone ? 0U : 2U);
  must_run({"ip", "link", "del", "c1"}, {.network = &lab_.server().network()});
  EXPECT_TRUE(eventually(5s, [&] { return front(headgated, "c1").is_null(); }));
  EXPECT_EQ(dispatchers() - others, is_alone ? 0U : 1U) << "its pins are gone, too";
  join_again(1);
  EXPECT_TRUE(eventually(5s, [&] { return is_attached(headgated, "c1"); }));
  EXPECT_EQ(packets(headgated, "c1", "reset", "client_connections"), 0) << "another one's count";
  const auto held = hold(lab_.client(1), web, 1);
  EXPECT_TRUE(refused(lab_.client(1), web));
  EXPECT_EQ(packets(headgated, "c1", "reset", "client_connections"), 1);

  // As a container's: renamed while the front line is on it, to a name that is not wanted.
  must_run({"sh", "-c", "ip link set c1 down; ip link set c1 name other; ip link set other up"},
           {.network = &lab_.server().network()});
  EXPECT_TRUE(eventually(5s, [&] { return front(headgated, "c1").is_null(); }));
  EXPECT_EQ(xdp_program_of("other"), "") << "it is detached";
}

// The server is a router, too, and listens on every address.
TEST_F(Xdp, WhatIsRoutedIsNotJudged) {
  const auto& router = lab_.server().network();
  router.set_sysctl("net/ipv4/ip_forward", "1");
  router.set_sysctl("net/ipv6/conf/all/forwarding", "1");
  router.set_sysctl("net/ipv6/conf/c0/forwarding", "0");  // IPv6 heeds `all` only
  const Server server(lab_.server(), {address("::"), kPort}, {.dual_stack = true});
  const Host& other = lab_.client(1);
  const Server beyond(other, {address("::"), kPort}, {.dual_stack = true});
  const Headgated headgated = start("generic", "per_client: 9");
  const Host& client = lab_.client(0);
  headgated.ctl({"deny", "add", client.ipv4().to_string(), client.ipv6().to_string()});
  for (const auto& [ours, theirs] : {std::pair(lab_.server().ipv4(), other.ipv4()),
                                     std::pair(lab_.server().ipv6(), other.ipv6())}) {
    EXPECT_TRUE(refused(client, {ours, kPort}));
    EXPECT_TRUE(admitted(client, {theirs, kPort}));
  }
}

// Nothing is forwarded: what has another's address gets no answer, as ever.
TEST_F(Xdp, WhatHasNoAddressOfThisHostIsNotJudged) {
  lab_.server().network().set_sysctl("net/ipv4/ip_forward", "0");
  const Server server(lab_.server(), {address("0.0.0.0"), kPort});
  const Headgated headgated = start("generic", "per_client: 9");
  const Host& client = lab_.client(0);
  headgated.ctl({"deny", "add", client.ipv4().to_string()});
  const Endpoint later{address("10.50.0.1"), kPort};
  EXPECT_EQ(client.connect(later, {.timeout = 1500ms}).error, ETIMEDOUT);
  EXPECT_EQ(packets(headgated, "c0", "reset", "denied"), 0);
  // An address that comes is followed.
  must_run({"ip", "addr", "add", "10.50.0.1/32", "dev", "lo"},
           {.network = &lab_.server().network()});
  EXPECT_TRUE(eventually(5s, [&] {
    EXPECT_TRUE(refused(client, later));
    return packets(headgated, "c0", "reset", "denied") > 0;
  }));
}

// Bytes that are no text to protobuf, Prometheus, or a terminal.
TEST_F(Xdp, NamesOfInterfacesAreToldAsText) {
  const Headgated headgated(lab_.server(),
                            web_rule("per_client: 1") + "xdp: { interfaces: [\"odd*\"] }\n");
  must_run({"sh", "-c", "ip link add \"$(printf 'odd\\377\\033[31m')\" type veth peer name behind"},
           {.network = &lab_.server().network()});
  const std::string told = "odd\\xff\\x1b[31m";
  EXPECT_TRUE(eventually(5s, [&] { return is_attached(headgated, told); })) << headgated.status();
  EXPECT_NE(headgated.metrics_text().find("odd\\\\xff"), std::string::npos);
}

TEST_F(Xdp, ReloadAttachesAndDetaches) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 1"));
  EXPECT_TRUE(headgated.status()["xdp"].empty());
  headgated.reload(web_rule("per_client: 1") + "xdp: { interfaces: [c1] }\n");
  EXPECT_TRUE(is_attached(headgated, "c1"));
  EXPECT_TRUE(front(headgated, "c0").is_null());
  headgated.reload(web_rule("per_client: 1") +
                   "xdp: { interfaces: [{ name: c1, mode: native }] }\n");
  EXPECT_EQ(front(headgated, "c1")["mode"], "native");
  const auto said =
      headgated.reload(web_rule("per_client: 1") + "xdp: { interfaces: [lo, c0, c7, \"x*\"] }\n");
  EXPECT_EQ(said["warnings"].size(), 2U) << said;
  EXPECT_EQ(front(headgated, "c7")["mode"], "none") << "named, and not there";
  EXPECT_EQ(front(headgated, "lo")["mode"], "none");
  EXPECT_TRUE(is_attached(headgated, "c0"));
  EXPECT_EQ(xdp_program_of("c1"), "");
  EXPECT_EQ(headgated.metrics().at("headgate_xdp_mode{interface=\"lo\",netns=\"" +
                                   lab_.server().network().path() + "\",mode=\"none\"}"),
            1);
  headgated.reload(web_rule("per_client: 1"));
  EXPECT_EQ(xdp_program_of("c0"), "");
}

TEST_F(Xdp, OutlivesTheDaemonAndIsTakenOver) {
  const Endpoint web = lab_.server_ipv4(kPort);
  const Server server(lab_.server(), web);
  Headgated headgated = start("generic", "per_client: 1");
  const auto held = hold(lab_.client(0), web, 1);
  EXPECT_TRUE(refused(lab_.client(0), web));
  const std::string program = xdp_program_of("c0");
  headgated.kill();
  EXPECT_EQ(xdp_program_of("c0"), program);
  EXPECT_TRUE(refused(lab_.client(0), web));
  headgated.start();
  EXPECT_NE(xdp_program_of("c0"), program) << "the new daemon's own";
  EXPECT_EQ(packets(headgated, "c0", "reset", "client_connections"), 2);
  EXPECT_TRUE(refused(lab_.client(0), web));
  EXPECT_EQ(packets(headgated, "c0", "reset", "client_connections"), 3);

  // What the next one does not want any more goes.
  headgated.kill();
  headgated.write_config(web_rule("per_client: 1"));
  headgated.start();
  EXPECT_EQ(xdp_program_of("c0"), "");
}

TEST_F(Xdp, AnotherBuildPutsItsOwnInItsPlace) {
  const Endpoint web = lab_.server_ipv4(kPort);
  const Server server(lab_.server(), web);
  Headgated headgated = start("generic", "per_client: 1");
  const auto held = hold(lab_.client(0), web, 1);
  std::string program = xdp_program_of("c0");
  double resets = 0;
  for (const std::string build : {HEADGATED_NEWER_PROGRAM, HEADGATED_OTHER_LAYOUT_PROGRAM}) {
    headgated.stop();
    headgated.start(build);
    EXPECT_NE(xdp_program_of("c0"), program) << build;
    program = xdp_program_of("c0");
    EXPECT_TRUE(refused(lab_.client(0), web)) << build;
    // Maps of another layout are made anew.
    resets = build == HEADGATED_NEWER_PROGRAM ? resets + 1 : 1;
    EXPECT_EQ(packets(headgated, "c0", "reset", "client_connections"), resets) << build;
    EXPECT_EQ(front(headgated, "c0")["others"], 0) << build;
  }
  // It goes where it is wanted no more, also if its maps are not taken over.
  headgated.stop();
  headgated.write_config(web_rule("per_client: 1"));
  headgated.start();
  EXPECT_EQ(xdp_program_of("c0"), "");
}

TEST_F(Xdp, DetachRemovesItWithoutTheDaemon) {
  Headgated headgated = start("generic", "per_client: 1");
  EXPECT_NE(xdp_program_of("c1"), "");
  headgated.stop();
  EXPECT_NE(xdp_program_of("c1"), "") << "on_stop: keep";
  const auto detached =
      run_command({HEADGATECTL_PROGRAM, "detach", "--pin-dir", headgated.pin_dir()});
  EXPECT_EQ(detached.status, 0) << detached.output;
  EXPECT_EQ(xdp_program_of("c0"), "");
  EXPECT_EQ(xdp_program_of("c1"), "");
}

TEST_F(Xdp, StopDetachesItIfTheConfigurationSaysSo) {
  Headgated headgated = start("generic", "per_client: 1", "on_stop: detach\n");
  EXPECT_NE(xdp_program_of("c1"), "");
  headgated.stop();
  EXPECT_EQ(xdp_program_of("c1"), "");
}

// With libxdp's dispatcher each has its place; without, who is first keeps it, and says so.
TEST_F(Xdp, SharesAnInterfaceWithXdpFilterBeforeAndAfter) {
  const Endpoint web = lab_.server_ipv4(kPort);
  const Server server(lab_.server(), web);
  const bool has_dispatcher = is_supported("XDP dispatcher");
  filter(lab_.server(), {"load", "-m", "skb", "c0"});
  Headgated headgated = start("auto", "per_client: 1");
  const auto c0 = front(headgated, "c0");
  const auto held = hold(lab_.client(0), web, 1);
  if (has_dispatcher) {
    EXPECT_EQ(c0["mode"], "generic") << "as the one that is there";
    EXPECT_EQ(c0["others"], 1);
    EXPECT_TRUE(refused(lab_.client(0), web));
    EXPECT_EQ(packets(headgated, "c0", "reset", "client_connections"), 1);
  } else {
    EXPECT_EQ(c0["mode"], "none");
    EXPECT_NE(c0["error"].get<std::string>().find("xdpfilt"), std::string::npos) << c0;
    EXPECT_TRUE(refused(lab_.client(0), web)) << "by sk_lookup";
  }
  // Ours goes, the other one stays.
  headgated.reload(web_rule("per_client: 1"));
  EXPECT_NE(xdp_program_of("c0"), "");
  filter(lab_.server(), {"unload", "c0"});
  EXPECT_EQ(xdp_program_of("c0"), "");

  // Now ours is first.
  headgated.reload(web_rule("per_client: 1") + interfaces("generic"));
  ASSERT_TRUE(is_attached(headgated, "c0"));
  EXPECT_EQ(front(headgated, "c0")["is_alone"], !has_dispatcher);
  if (!has_dispatcher) return;
  filter(lab_.server(), {"load", "-m", "skb", "c0"});
  EXPECT_TRUE(eventually(5s, [&] { return front(headgated, "c0")["others"] == 1; }));
  filter(lab_.server(), {"ip", "-m", "src", lab_.client(0).ipv4().to_string()});
  EXPECT_FALSE(lab_.client(0).connect(web, {.timeout = 500ms}).connected()) << "xdp-filter drops";
  filter(lab_.server(), {"unload", "c0"});
  EXPECT_TRUE(eventually(5s, [&] { return front(headgated, "c0")["others"] == 0; }));
  EXPECT_TRUE(refused(lab_.client(0), web));
  EXPECT_EQ(packets(headgated, "c0", "reset", "client_connections"), 1) << "since it came again";

  // Somebody detaches everything: it comes back.
  must_run({"xdp-loader", "unload", "c0", "--all"}, {.network = &lab_.server().network()});
  EXPECT_TRUE(eventually(10s, [&] { return xdp_program_of("c0") != ""; }));
}

}  // namespace
}  // namespace headgate::lab
