// SPDX-License-Identifier: Apache-2.0
// QUIC, which only the front line sees: new connections by rate, and who is denied.
#include <linux/bpf.h>

#include <gtest/gtest.h>

#include "daemon/config/listen.h"
#include "tests/frames/frame.h"
#include "tests/kernel/front_lab.h"

namespace headgate::lab {
namespace {

using namespace frames;
using Counted = std::map<std::string, std::uint64_t>;

Bytes initial(const std::string& from, std::uint8_t first = 0xc3, std::uint32_t version = 1) {
  return ethernet(ipv4(from, "10.0.0.1", udp(quic(first, version))));
}

config::RateLimit hourly(std::uint32_t burst) {
  return {1, std::chrono::hours(1), burst};
}

class FrontQuic : public testing::Test {
 protected:
  // The rule covers these ports, too.
  void use(const std::function<void(config::Rule&)>& change,
           const std::vector<std::string>& listen = {"8000/udp"}) {
    lab_.change(web_config([&](config::Rule& rule) {
      for (const std::string& one : listen) rule.listen.push_back(must(config::parse_listen(one)));
      change(rule);
    }));
    lab_.counted();
  }
  void SetUp() override { lab_.open_udp(); }
  // How many of `count` Initials of that client pass.
  int passed(int count, const std::string& from) {
    int passes = 0;
    for (int i = 0; i < count; ++i) {
      if (lab_.run(initial(from)).verdict == XDP_PASS) ++passes;
    }
    return passes;
  }

  FrontLab lab_{web_config()};
};

TEST_F(FrontQuic, AClientGetsTheInitialsOfItsBucket) {
  use([](auto& rule) { rule.new_connections.per_client = hourly(3); });
  EXPECT_EQ(passed(5, "10.9.9.9"), 3);
  EXPECT_EQ(passed(5, "10.9.9.8"), 3) << "another client has a bucket of its own";
  EXPECT_EQ(lab_.counted(), (Counted{{"pass none", 6}, {"drop client_rate", 4}}));
}

TEST_F(FrontQuic, TheBucketIsThatOfItsTcpConnections) {
  use([](auto& rule) { rule.new_connections.per_client = hourly(3); });
  EXPECT_EQ(passed(5, "10.9.9.9"), 3);
  EXPECT_EQ(lab_.run(ethernet(ipv4("10.9.9.9", "10.0.0.1", tcp()))).verdict, XDP_TX);
}

TEST_F(FrontQuic, ForgedAddressesTakeNothingFromOthers) {
  use([](auto& rule) {
    rule.new_connections.per_network = hourly(3);
    rule.new_connections.total = hourly(5);
  });
  EXPECT_EQ(passed(20, "10.9.9.9"), 20);
  EXPECT_EQ(lab_.run(ethernet(ipv4("10.9.9.8", "10.0.0.1", tcp()))).verdict, XDP_PASS);
}

TEST_F(FrontQuic, OnlyInitialsAreCharged) {
  use([](auto& rule) { rule.new_connections.per_client = hourly(1); });
  EXPECT_EQ(passed(2, "10.9.9.9"), 1);
  for (const Bytes& data : {quic(0x43, 1), quic(0xe3, 1), quic(0xc3, 0), Bytes(30)}) {
    EXPECT_EQ(lab_.run(ethernet(ipv4("10.9.9.9", "10.0.0.1", udp(data)))).verdict, XDP_PASS);
  }
  EXPECT_EQ(lab_.run(initial("10.9.9.9", 0xd3, 0x6b3343cf)).verdict, XDP_DROP) << "version 2";
}

TEST_F(FrontQuic, AreNotCountedAsConnections) {
  use([](auto& rule) { rule.connections.per_client = 1; });
  EXPECT_EQ(passed(5, "10.9.9.9"), 5);
}

TEST_F(FrontQuic, OfADeniedClientAreDropped) {
  use([](auto&) {});
  EXPECT_EQ(passed(1, "10.9.9.9"), 1);
  lab_.deny("10.9.9.0/24");
  EXPECT_EQ(passed(2, "10.9.9.9"), 0);
  EXPECT_EQ(passed(1, "10.9.8.9"), 1);
}

TEST_F(FrontQuic, ThoseOfAGuestCostTheirClientNothing) {
  use([](auto& rule) { rule.new_connections.per_client = hourly(3); });
  const Bytes to_guest = ethernet(ipv4("10.9.9.9", "10.0.0.1", udp(quic(0xc3, 1))), {}, kTheirMac);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(lab_.run(to_guest).verdict, XDP_PASS);
  EXPECT_EQ(lab_.counted(), Counted());
  EXPECT_EQ(passed(5, "10.9.9.9"), 3);
}

TEST_F(FrontQuic, AMonitoredRuleOnlyCounts) {
  use([](auto& rule) {
    rule.new_connections.per_client = hourly(3);
    rule.settings.mode = config::Mode::kMonitor;
  });
  EXPECT_EQ(passed(5, "10.9.9.9"), 5);
  EXPECT_EQ(lab_.counted(), (Counted{{"pass none", 3}, {"pass client_rate", 2}}));
  const auto counts = must(lab_.limiter().counts());
  EXPECT_EQ(counts.rules.begin()->second.refused(HG_ACTION_NONE, HG_CLIENT_RATE), 2U);
}

TEST_F(FrontQuic, ToAPortThatOnlyTcpHasARuleForPasses) {
  lab_.change(web_config([](auto& rule) { rule.new_connections.per_client = hourly(1); }));
  EXPECT_EQ(passed(5, "10.9.9.9"), 5);
}

TEST_F(FrontQuic, TheLongestPrefixOfItsOwnListensCounts) {
  const auto limited = [](auto& rule) { rule.new_connections.per_client = hourly(1); };
  use(limited, {"10.0.0.0/24:8000/udp"});
  EXPECT_EQ(passed(5, "10.9.9.9"), 1);
  use(limited, {"10.0.1.0/24:8000/udp"});
  EXPECT_EQ(passed(5, "10.9.9.8"), 5) << "another address of ours";

  config::Config two = web_config(limited);
  config::Rule free;
  free.name = "free";
  free.listen = {must(config::parse_listen("10.0.0.1:8000/udp"))};
  two.rules.front().listen.push_back(must(config::parse_listen("8000/udp")));
  two.rules.push_back(free);
  lab_.change(two);
  EXPECT_EQ(passed(5, "10.9.9.7"), 5) << "the longer one is of a rule without limits";
}

}  // namespace
}  // namespace headgate::lab
