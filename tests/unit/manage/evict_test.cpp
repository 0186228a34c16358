// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/evict.h"

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/config/parse.h"
#include "daemon/kernel/address.h"

namespace headgate::manage {
namespace {

using Cookies = std::vector<std::uint64_t>;

policy::Policy compile_good(const std::string& yaml) {
  const auto config = config::parse(yaml, "f");
  EXPECT_TRUE(config.has_value()) << config.error().message;
  if (!config) return {};
  auto policy = policy::compile(*config, "f");
  EXPECT_TRUE(policy.has_value()) << policy.error().message;
  return policy ? *std::move(policy) : policy::Policy{};
}

// Rule 1, whose lines below its `listen` are `body`; then those of `rest`.
policy::Policy web_with(const std::string& body, const std::string& rest = "") {
  return compile_good("rules:\n  - name: web\n    listen: 80\n    " + body + "\n" + rest);
}

// Live connections, each a moment newer than the one before, as the kernel tells them: cookies 1,
// 2…
class Live {
 public:
  explicit Live(const policy::Policy& policy) : policy_(policy) {}

  Live& open(const std::string& client, policy::RuleId rule = 1) {
    const hg_rule& limits = policy_.rules.at(rule).limits;
    const IpAddress remote = *IpAddress::parse(client);
    const bool is_ipv4 = remote.family() == IpFamily::kIpv4;
    hg_live live{};
    live.cookie = live_.size() + 1;
    live.opened = static_cast<std::uint32_t>(100 + live_.size());
    live.remote = kernel::to_abi(remote);
    live.client = live.remote;
    const hg_address& mask = is_ipv4 ? limits.ipv4_mask : limits.ipv6_mask;
    for (int i = 0; i < 4; ++i) live.client.word[i] &= mask.word[i];
    live.rule = rule;
    live.network_bits = (limits.flags & HG_COUNT_NETWORKS) == 0 ? HG_NO_NETWORK
                        : is_ipv4                               ? limits.ipv4_network_bits
                                                                : limits.ipv6_network_bits;
    live_.push_back(live);
    return *this;
  }

  std::vector<hg_live>& all() { return live_; }

  Cookies excess(const std::string& cidr = "0.0.0.0/0") const {
    Cookies cookies;
    for (const hg_live& live : find_excess(policy_, live_, *Prefix::parse(cidr))) {
      cookies.push_back(live.cookie);
    }
    return cookies;
  }

 private:
  const policy::Policy& policy_;
  std::vector<hg_live> live_;
};

TEST(FindExcess, WithoutLimitsNothingIsTooMuch) {
  const policy::Policy policy = web_with("");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.1").open("2001:db8::1");
  EXPECT_EQ(live.excess(), Cookies{});
  EXPECT_EQ(live.excess("::/0"), Cookies{});
  EXPECT_EQ(Live(policy).excess(), Cookies{});
}

TEST(FindExcess, OfOneClientTheNewestGo) {
  const policy::Policy policy = web_with("connections: { per_client: 2 }");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.1").open("192.0.2.2").open("192.0.2.1").open("192.0.2.1");
  EXPECT_EQ(live.excess(), (Cookies{5, 4}));
  std::swap(live.all()[0], live.all()[4]);  // the kernel tells them in no order
  EXPECT_EQ(live.excess(), (Cookies{5, 4}));
}

TEST(FindExcess, OfConnectionsOpenedAtOnceTheLastCookieIsTheNewest) {
  const policy::Policy policy = web_with("connections: { per_client: 1 }");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.1").open("192.0.2.1");
  for (hg_live& one : live.all()) one.opened = 7;
  EXPECT_EQ(live.excess(), (Cookies{3, 2}));
}

TEST(FindExcess, ALimitThatIsReachedIsNotExceeded) {
  const policy::Policy policy =
      web_with("connections: { per_client: 2, per_network: 3, total: 4 }");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.1").open("192.0.2.2").open("198.51.100.1");
  EXPECT_EQ(live.excess(), Cookies{});
}

TEST(FindExcess, ALimitOfZeroLeavesNone) {
  const policy::Policy policy = web_with("connections: { per_client: 0 }");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.2");
  EXPECT_EQ(live.excess(), (Cookies{2, 1}));
}

TEST(FindExcess, OfOneNetworkTheNewestGoWhosoeverTheyAre) {
  const policy::Policy policy = web_with("connections: { per_network: 3 }");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.2").open("192.0.2.1").open("198.51.100.1").open("192.0.2.3");
  EXPECT_EQ(live.excess(), Cookies{5});
}

TEST(FindExcess, ConnectionsThatNoNetworkWasCountedForAreInNone) {
  const policy::Policy policy = web_with("connections: { per_network: 0 }");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.1");
  live.all()[1].network_bits = HG_NO_NETWORK;
  EXPECT_EQ(live.excess(), Cookies{1});
}

TEST(FindExcess, OfAllClientsTheNewestGoLessTheReserve) {
  const policy::Policy policy = web_with("connections: { total: 3, reserve: 1 }");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.2").open("192.0.2.3").open("192.0.2.4");
  EXPECT_EQ(live.excess(), (Cookies{4, 3}));
}

TEST(FindExcess, AnIpv6ClientIsItsPrefixAndItsNetworkAShorterOne) {
  const policy::Policy clients = web_with("connections: { per_client: 1 }");
  Live live(clients);
  live.open("2001:db8:0:1::1").open("2001:db8:0:1::2").open("2001:db8:0:2::1");
  EXPECT_EQ(live.excess("::/0"), Cookies{2});
  const policy::Policy networks = web_with("connections: { per_network: 1 }");
  Live more(networks);
  more.open("2001:db8:0:1::1").open("2001:db8:0:2::1").open("2001:db8:1::1");
  EXPECT_EQ(more.excess("::/0"), Cookies{2});
}

TEST(FindExcess, OneThatGoesIsCountedAtEveryLevel) {
  const policy::Policy policy =
      web_with("connections: { per_client: 1, per_network: 2, total: 3 }");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.2").open("198.51.100.1").open("192.0.2.1");
  EXPECT_EQ(live.excess(), Cookies{4});
}

// Client .1 alone is to blame for the total; .2 is the newest, but the limits have room for it.
TEST(FindExcess, NoneGoesThatThereIsRoomForOnceTheOthersAreGone) {
  const policy::Policy policy = web_with("connections: { per_client: 2, total: 3 }");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.1").open("192.0.2.1").open("192.0.2.1").open("192.0.2.2");
  EXPECT_EQ(live.excess(), (Cookies{4, 3}));
}

TEST(FindExcess, OnlyWithinTheRangeAskedForButCountingTheOthers) {
  const policy::Policy policy = web_with("connections: { per_client: 1, total: 3 }");
  Live live(policy);
  live.open("192.0.2.1").open("192.0.2.1").open("192.0.2.2").open("198.51.100.1");
  EXPECT_EQ(live.excess("192.0.2.1"), Cookies{2});
  EXPECT_EQ(live.excess("198.51.100.0/24"), Cookies{4});  // the total of 4 is too much
  EXPECT_EQ(live.excess("203.0.113.0/24"), Cookies{});
}

// As on the deny list, and as the kernel looks up clients: each family has its own prefixes.
TEST(FindExcess, NoRangeOfOneFamilyHoldsAddressesOfTheOther) {
  const policy::Policy policy = web_with("connections: { per_client: 0 }");
  Live live(policy);
  live.open("192.0.2.1").open("2001:db8::1");
  EXPECT_EQ(live.excess("0.0.0.0/0"), Cookies{1});
  EXPECT_EQ(live.excess("::/0"), Cookies{2});
}

TEST(FindExcess, ExemptClientsKeepTheirsAndCountForTheOthers) {
  const policy::Policy policy = web_with(
      "connections: { per_client: 1, total: 2 }\n"
      "    overrides: [{ clients: [203.0.113.7], exempt: true }]",
      "clients: { exempt: [198.51.100.0/24] }\n");
  Live live(policy);
  live.open("192.0.2.1").open("198.51.100.1").open("198.51.100.1").open("203.0.113.7");
  live.open("203.0.113.7");
  EXPECT_EQ(live.excess(), Cookies{1});  // five of two: the only one that may be closed
  EXPECT_EQ(live.excess("198.51.100.0/24"), Cookies{});
  EXPECT_EQ(live.excess("203.0.113.7"), Cookies{});
}

TEST(FindExcess, AnOverrideSetsTheClientsAndTheNetworksLimit) {
  const policy::Policy policy = web_with(R"(connections: { per_client: 1, per_network: 2 }
    overrides:
      - { clients: [10.0.0.0/8], connections: { per_client: 2, per_network: 3 } }
      - { clients: [10.1.0.0/16], connections: { per_client: unlimited, per_network: unlimited } })");
  Live live(policy);
  live.open("10.0.0.1").open("10.0.0.1").open("10.0.0.1");                   // 3 goes: its client's
  live.open("10.0.9.1").open("10.0.9.2").open("10.0.9.3").open("10.0.9.4");  // 7: its network's
  live.open("10.1.0.1").open("10.1.0.1").open("10.1.0.2").open("10.1.0.3");  // without limits
  live.open("192.0.2.1").open("192.0.2.1");                                  // 13: its client's
  live.open("203.0.113.1").open("203.0.113.2").open("203.0.113.3");          // 16: its network's
  EXPECT_EQ(live.excess(), (Cookies{16, 13, 7, 3}));
}

TEST(FindExcess, RulesAreJudgedEachForItself) {
  const policy::Policy policy = web_with("connections: { per_client: 1 }", R"(
  - { name: mail, listen: 25, connections: { per_client: 2, total: 3 } }
  - { name: free, listen: 22 }
)");
  Live live(policy);
  live.open("192.0.2.1", 1).open("192.0.2.1", 2).open("192.0.2.1", 3).open("192.0.2.1", 2);
  live.open("192.0.2.1", 1).open("192.0.2.1", 2).open("192.0.2.1", 3);
  EXPECT_EQ(live.excess(), (Cookies{6, 5}));
}

TEST(FindExcess, ARuleThatThePolicyDoesNotHaveHasNoLimits) {
  const policy::Policy policy = web_with("connections: { per_client: 0 }");
  Live live(policy);
  live.open("192.0.2.1");
  live.all()[0].rule = 77;
  EXPECT_EQ(live.excess(), Cookies{});
}

TEST(IsExempt, WhoTheConfigurationOrTheLongestOverrideOfTheRuleExempts) {
  const policy::Policy policy = compile_good(R"(rules:
  - name: web
    listen: 80
    overrides:
      - { clients: [10.0.0.0/8, "2001:db8::/32"], exempt: true }
      - { clients: [10.1.0.0/16], connections: { per_client: 5 } }
  - { name: mail, listen: 25 }
clients: { exempt: [198.51.100.0/24] }
)");
  const auto exempt = [&policy](const std::string& client, policy::RuleId rule) {
    return is_exempt(policy, Live(policy).open(client, rule).all()[0]);
  };
  EXPECT_TRUE(exempt("198.51.100.1", 1));
  EXPECT_TRUE(exempt("198.51.100.1", 2));
  EXPECT_FALSE(exempt("198.51.101.1", 1));
  EXPECT_TRUE(exempt("10.0.0.1", 1));
  EXPECT_TRUE(exempt("2001:db8::1", 1));
  EXPECT_FALSE(exempt("10.1.0.1", 1));  // the longer one is of another mind
  EXPECT_FALSE(exempt("10.0.0.1", 2));
  EXPECT_FALSE(exempt("2001:db9::1", 1));
}

TEST(FindExcess, AHundredThousandConnectionsAreQuick) {
  const policy::Policy policy =
      web_with("connections: { per_client: 1, per_network: 1000, total: 100000 }");
  Live live(policy);
  for (unsigned i = 0; i < 100'000; ++i) {
    live.open("10.0." + std::to_string(i % 200) + "." + std::to_string(i / 200 % 250));
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(live.excess().size(), 50'000U);  // two of each client
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

}  // namespace
}  // namespace headgate::manage
