// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cases.h"

namespace headgate::policy {
namespace {

// A rule of its own line for each `listen` value: the first is rule 1 at line 2.
std::string rules_listening(const std::vector<std::string>& listens) {
  std::string yaml = "rules:\n";
  char name = 'a';
  for (const std::string& listen : listens) {
    yaml += std::string("  - { name: ") + name++ + ", listen: " + listen + " }\n";
  }
  return yaml;
}

TEST(Compile, NoRulesIsAnEmptyPolicy) {
  const Policy policy = compile_good("rules: []");
  EXPECT_TRUE(policy.rules.empty());
  EXPECT_TRUE(policy.ports.empty());
  EXPECT_TRUE(policy.prefixes.empty());
}

TEST(Compile, NumbersRulesInFileOrderFromOne) {
  const Policy policy = compile_good(rules_listening({"80", "81", "82"}));
  ASSERT_EQ(policy.rules.size(), 3U);
  EXPECT_EQ(policy.rules.at(1).name, "a");
  EXPECT_EQ(policy.rules.at(2).name, "b");
  EXPECT_EQ(policy.rules.at(3).name, "c");
}

TEST(Compile, ABarePortBelongsToItsRule) {
  const Policy policy = compile_good(rules_listening({"443", "8000-8002"}));
  ASSERT_EQ(policy.ports.size(), 4U);
  EXPECT_EQ(policy.ports.at(443).rule, 1);
  for (std::uint16_t port = 8000; port <= 8002; ++port) EXPECT_EQ(policy.ports.at(port).rule, 2);
  EXPECT_EQ(policy.ports.at(443).has_addresses, 0);
  EXPECT_TRUE(policy.prefixes.empty());
}

TEST(Compile, AnAddressIsAKeyForEachPort) {
  const Policy policy = compile_good(rules_listening({"'192.0.2.10:80-81'"}));
  ASSERT_EQ(policy.prefixes.size(), 2U);
  const auto& [key, value] = policy.prefixes.front();
  EXPECT_EQ(value.rule, 1);
  EXPECT_EQ(key.kind, HG_PREFIX_LISTEN);
  EXPECT_EQ(key.prefix_bits, HG_PREFIX_FIXED_BITS + 32U);
  EXPECT_EQ(key.selector, 80);
  EXPECT_EQ(key.family, 4);
  EXPECT_EQ(bytes_of(key), "c000020a000000000000000000000000");
  EXPECT_EQ(policy.prefixes.back().first.selector, 81);
  EXPECT_EQ(policy.ports.at(80).rule, HG_NO_RULE);
  EXPECT_EQ(policy.ports.at(80).has_addresses, 1);
}

TEST(Compile, WritesPrefixesOfBothFamilies) {
  struct Case {
    std::string listen;
    unsigned length;
    unsigned family;
    std::string address;
  };
  const Case cases[] = {
      {"'10.0.0.0/8:1'", 8, 4, "0a000000000000000000000000000000"},
      {"'0.0.0.0:1'", 0, 4, "00000000000000000000000000000000"},
      {"'[2001:db8::1]:1'", 128, 6, "20010db8000000000000000000000001"},
      {"'[2001:db8::/32]:1'", 32, 6, "20010db8000000000000000000000000"},
      {"'[::]:1'", 0, 6, "00000000000000000000000000000000"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.listen);
    const Policy policy = compile_good(rules_listening({c.listen}));
    ASSERT_EQ(policy.prefixes.size(), 1U);
    const hg_prefix_key& key = policy.prefixes.front().first;
    EXPECT_EQ(key.prefix_bits, HG_PREFIX_FIXED_BITS + c.length);
    EXPECT_EQ(key.family, c.family);
    EXPECT_EQ(bytes_of(key), c.address);
  }
}

TEST(Compile, MoreSpecificEntriesStandBesideWiderOnes) {
  const Policy policy = compile_good(rules_listening(
      {"443", "'0.0.0.0:443'", "'10.0.0.0/8:443'", "'10.0.0.1:443'", "'[::]:443'", "'[::1]:443'"}));
  EXPECT_EQ(policy.ports.at(443).rule, 1);
  EXPECT_EQ(policy.ports.at(443).has_addresses, 1);
  EXPECT_EQ(policy.prefixes.size(), 5U);
}

TEST(Compile, RefusesWhatIsClaimedTwice) {
  struct Case {
    std::vector<std::string> listens;
    std::string message;
  };
  const std::string right = "; one entry for a port and address would be right";
  const Case cases[] = {
      {{"443", "443"}, "f:3:24: rule 'b' claims '443', which rule 'a' has at f:2:24" + right},
      {{"443", "[80, 443/tcp]"},
       "f:3:29: rule 'b' claims '443', which rule 'a' has at f:2:24" + right},
      {{"[443, 443]"}, "f:2:30: rule 'a' claims '443' twice, first at f:2:25" + right},
      {{"[8000-8010, 8010-8020]"}, "f:2:36: rule 'a' claims '8010' twice, first at f:2:25" + right},
      {{"1-65535", "22"}, "f:3:24: rule 'b' claims '22', which rule 'a' has at f:2:24" + right},
      {{"'10.0.0.1:80'", "'10.0.0.1/32:80'"},
       "f:3:24: rule 'b' claims '10.0.0.1:80', which rule 'a' has at f:2:24" + right},
      {{"'10.0.0.0/8:1-9'", "'10.0.0.0/8:9-10'"},
       "f:3:24: rule 'b' claims '10.0.0.0/8:9', which rule 'a' has at f:2:24" + right},
      {{"[443, 443/udp]", "443/udp"},
       "f:3:24: rule 'b' claims '443/udp', which rule 'a' has at f:2:30" + right},
      {{"'10.0.0.0/8:1-9/udp'", "['10.0.0.0/8:1-9', '10.0.0.0/8:9-10/udp']"},
       "f:3:43: rule 'b' claims '10.0.0.0/8:9/udp', which rule 'a' has at f:2:24" + right},
      {{"'0.0.0.0:80'", "'0.0.0.0/0:80'"},
       "f:3:24: rule 'b' claims '0.0.0.0:80', which rule 'a' has at f:2:24" + right},
      {{"'[2001:db8::1]:80'", "'[2001:DB8:0::1]:80'"},
       "f:3:24: rule 'b' claims '[2001:db8::1]:80', which rule 'a' has at f:2:24" + right},
  };
  for (const Case& c : cases) {
    const Result<Policy> policy = compile_yaml(rules_listening(c.listens));
    ASSERT_FALSE(policy.has_value()) << c.message;
    EXPECT_EQ(policy.error().message, c.message);
    EXPECT_EQ(policy.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(Compile, PortsOfUdpAreApartFromThoseOfTcp) {
  const Policy policy = compile_good(rules_listening({"[443, 80/udp]", "[443/udp, 80]"}));
  ASSERT_EQ(policy.ports.size(), 2U);
  EXPECT_EQ(policy.ports.at(443).rule, 1);
  EXPECT_EQ(policy.ports.at(443).udp_rule, 2);
  EXPECT_EQ(policy.ports.at(80).rule, 2);
  EXPECT_EQ(policy.ports.at(80).udp_rule, 1);
  EXPECT_EQ(policy.ports.at(443).has_udp_addresses, 0);
  EXPECT_TRUE(policy.prefixes.empty());
}

TEST(Compile, AnAddressOfUdpHasAKeyOfItsOwn) {
  const Policy policy = compile_good(rules_listening(
      {"443/udp", "'192.0.2.0/24:443-444/udp'", "'192.0.2.0/24:443'", "'[2001:db8::1]:443/udp'"}));
  ASSERT_EQ(policy.prefixes.size(), 4U);
  EXPECT_EQ(policy.ports.at(443).rule, HG_NO_RULE);
  EXPECT_EQ(policy.ports.at(443).has_addresses, 1);
  EXPECT_EQ(policy.ports.at(443).udp_rule, 1);
  EXPECT_EQ(policy.ports.at(443).has_udp_addresses, 1);
  EXPECT_EQ(policy.ports.at(444).has_addresses, 0);
  EXPECT_EQ(policy.ports.at(444).has_udp_addresses, 1);
  const auto udp = [&](std::uint16_t port, const std::string& prefix) {
    const PrefixEntry* const found =
        longest_match(policy, HG_PREFIX_LISTEN_UDP, port, *Prefix::parse(prefix));
    return found == nullptr ? HG_NO_RULE : found->second.rule;
  };
  EXPECT_EQ(udp(443, "192.0.2.7"), 2U);
  EXPECT_EQ(udp(444, "192.0.2.7"), 2U);
  EXPECT_EQ(udp(443, "2001:db8::1"), 4U);
  EXPECT_EQ(udp(443, "192.0.3.7"), HG_NO_RULE);
  ASSERT_EQ(entries_of(policy, HG_PREFIX_LISTEN).size(), 1U);
  EXPECT_EQ(entries_of(policy, HG_PREFIX_LISTEN).front().second.rule, 3U);
}

TEST(Compile, AGroupBelongsToItsRule) {
  const Policy policy = compile_good(rules_listening(
      {"443", "[{ unit: b.service }, 80, { cgroup: a/b }]", "{ unit: a.service }"}));
  EXPECT_EQ(policy.numbers.groups,
            (std::map<std::string, GroupId>{
                {"unit:b.service", 1}, {"cgroup:a/b", 2}, {"unit:a.service", 3}}));
  EXPECT_EQ(policy.groups, (std::map<GroupId, RuleId>{{1, 2}, {2, 2}, {3, 3}}));
  ASSERT_EQ(policy.ports.size(), 2U);  // a group claims no port
  EXPECT_EQ(policy.ports.at(443).rule, 1);
  EXPECT_EQ(policy.ports.at(80).rule, 2);
  EXPECT_TRUE(policy.prefixes.empty());
}

TEST(Compile, WithoutGroupsThereAreNone) {
  const Policy policy = compile_good(rules_listening({"443", "'10.0.0.1:80'"}));
  EXPECT_TRUE(policy.groups.empty());
  EXPECT_TRUE(policy.numbers.groups.empty());
}

TEST(Compile, GroupNamesAreWhatOperatorsSee) {
  config::Listen listen;
  listen.unit = "nginx.service";
  EXPECT_EQ(group_name(listen), "unit:nginx.service");
  listen.unit.clear();
  listen.cgroup = "system.slice/nginx.service";
  EXPECT_EQ(group_name(listen), "cgroup:system.slice/nginx.service");
}

TEST(Compile, RefusesAGroupThatIsClaimedTwice) {
  struct Case {
    std::vector<std::string> listens;
    std::string message;
  };
  const std::string right = "; one entry for a unit or cgroup would be right";
  const Case cases[] = {
      {{"{ unit: a.service }", "[443, { unit: a.service }]"},
       "f:3:30: rule 'b' claims 'unit:a.service', which rule 'a' has at f:2:24" + right},
      {{"{ cgroup: a/b }", "{ cgroup: a/c }", "{ cgroup: a/b }"},
       "f:4:24: rule 'c' claims 'cgroup:a/b', which rule 'a' has at f:2:24" + right},
      {{"[{ unit: a.service }, { unit: a.service }]"},
       "f:2:46: rule 'a' claims 'unit:a.service' twice, first at f:2:25" + right},
  };
  for (const Case& c : cases) {
    const Result<Policy> policy = compile_yaml(rules_listening(c.listens));
    ASSERT_FALSE(policy.has_value()) << c.message;
    EXPECT_EQ(policy.error().message, c.message);
    EXPECT_EQ(policy.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(Compile, HoldsAsManyAddressedPortsAsTheKernel) {
  const Policy policy = compile_good(rules_listening({"'[::1]:1-65535'", "'10.0.0.1:1'"}));
  EXPECT_EQ(policy.prefixes.size(), kMaxListenEntries);
  const Result<Policy> more =
      compile_yaml(rules_listening({"'[::1]:1-65535'", "'10.0.0.1:1'", "'10.0.0.1:2'"}));
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().message,
            "f:4:24: 'listen' entries with an address claim more than 65536 ports in all rules; "
            "'2' for every address would be right");
}

TEST(Compile, TheExampleInTheDocumentationIsRight) {
  const Result<config::Config> config = config::load(HEADGATE_EXAMPLE_CONFIG);
  ASSERT_TRUE(config.has_value()) << config.error().message;
  const Result<Policy> policy = compile(*config, HEADGATE_EXAMPLE_CONFIG);
  ASSERT_TRUE(policy.has_value()) << policy.error().message;
  EXPECT_EQ(policy->ports.at(443).rule, 1);
  EXPECT_EQ(policy->groups, (std::map<GroupId, RuleId>{{1, 4}}));
  EXPECT_EQ(policy->prefixes.size(), 6U);  // overrides, exempt and denied clients
}

}  // namespace
}  // namespace headgate::policy
