// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "daemon/config/parse.h"
#include "daemon/policy/policy.h"

namespace headgate::policy {
namespace {

Result<Policy> compile_yaml(const std::string& yaml) {
  const Result<config::Config> config = config::parse(yaml, "f");
  if (!config) return tl::unexpected(config.error());
  return compile(*config, "f");
}

Policy compile_good(const std::string& yaml) {
  Result<Policy> policy = compile_yaml(yaml);
  EXPECT_TRUE(policy.has_value()) << policy.error().message;
  return policy ? *std::move(policy) : Policy{};
}

// A rule of its own line for each `listen` value: the first is rule 1 at line 2.
std::string rules_listening(const std::vector<std::string>& listens) {
  std::string yaml = "rules:\n";
  char name = 'a';
  for (const std::string& listen : listens) {
    yaml += std::string("  - { name: ") + name++ + ", listen: " + listen + " }\n";
  }
  return yaml;
}

std::string bytes_of(const hg_address& address) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<unsigned char, sizeof(address)> bytes{};
  std::memcpy(bytes.data(), &address, sizeof(address));
  std::string text;
  for (const unsigned char byte : bytes) text += {kHex[byte >> 4U], kHex[byte & 0xfU]};
  return text;
}

std::string bytes_of(const hg_listen_key& key) {
  hg_address address{};
  std::memcpy(&address, key.address, sizeof(address));
  return bytes_of(address);
}

TEST(Compile, NoRulesIsAnEmptyPolicy) {
  const Policy policy = compile_good("rules: []");
  EXPECT_TRUE(policy.rules.empty());
  EXPECT_TRUE(policy.ports.empty());
  EXPECT_TRUE(policy.listen.empty());
}

TEST(Compile, NumbersRulesInFileOrderFromOne) {
  const Policy policy = compile_good(rules_listening({"80", "81", "82"}));
  ASSERT_EQ(policy.rules.size(), 3U);
  EXPECT_EQ(policy.rules.at(1).name, "a");
  EXPECT_EQ(policy.rules.at(2).name, "b");
  EXPECT_EQ(policy.rules.at(3).name, "c");
}

TEST(Compile, WritesLimitsAsTheKernelReadsThem) {
  const Policy policy = compile_good(R"(
rules:
  - { name: a, listen: 1, connections: { per_client: 100, total: 20000 }, handshake_timeout: 500ms }
  - { name: b, listen: 2, count_half_open: all, on_table_full: refuse }
  - { name: c, listen: 3, count_half_open: none, connections: { per_client: 0 } }
)");
  const hg_rule& a = policy.rules.at(1).limits;
  EXPECT_EQ(a.per_client, 100U);
  EXPECT_EQ(a.total, 20'000U);
  EXPECT_EQ(a.handshake_timeout_ns, 500'000'000U);
  EXPECT_EQ(a.count_half_open, static_cast<std::uint32_t>(HG_HALF_OPEN_CLIENT));
  EXPECT_EQ(a.flags, 0U);

  const hg_rule& b = policy.rules.at(2).limits;
  EXPECT_EQ(b.per_client, HG_NO_LIMIT);
  EXPECT_EQ(b.total, HG_NO_LIMIT);
  EXPECT_EQ(b.handshake_timeout_ns, 10'000'000'000U);
  EXPECT_EQ(b.count_half_open, static_cast<std::uint32_t>(HG_HALF_OPEN_ALL));
  EXPECT_EQ(b.flags, HG_REFUSE_ON_TABLE_FULL);

  const hg_rule& c = policy.rules.at(3).limits;
  EXPECT_EQ(c.per_client, 0U);
  EXPECT_EQ(c.total, HG_NO_LIMIT);
  EXPECT_EQ(c.count_half_open, static_cast<std::uint32_t>(HG_HALF_OPEN_NONE));
}

TEST(Compile, MasksCutTheSixteenByteAddress) {
  struct Case {
    std::string ipv4, ipv6;
    std::string ipv4_mask, ipv6_mask;
  };
  const std::string mapped(24, 'f');  // the mask keeps what marks an IPv4 address
  const Case cases[] = {
      {"32", "64", mapped + "ffffffff", "ffffffffffffffff0000000000000000"},
      {"24", "128", mapped + "ffffff00", "ffffffffffffffffffffffffffffffff"},
      {"9", "49", mapped + "ff800000", "ffffffffffff80000000000000000000"},
      {"0", "0", mapped + "00000000", "00000000000000000000000000000000"},
  };
  for (const Case& c : cases) {
    const Policy policy =
        compile_good("rules: [{ name: a, listen: 1, client_prefix: { ipv4: " + c.ipv4 +
                     ", ipv6: " + c.ipv6 + " } }]");
    EXPECT_EQ(bytes_of(policy.rules.at(1).limits.ipv4_mask), c.ipv4_mask);
    EXPECT_EQ(bytes_of(policy.rules.at(1).limits.ipv6_mask), c.ipv6_mask);
  }
}

TEST(Compile, ABarePortBelongsToItsRule) {
  const Policy policy = compile_good(rules_listening({"443", "8000-8002"}));
  ASSERT_EQ(policy.ports.size(), 4U);
  EXPECT_EQ(policy.ports.at(443).rule, 1);
  for (std::uint16_t port = 8000; port <= 8002; ++port) EXPECT_EQ(policy.ports.at(port).rule, 2);
  EXPECT_EQ(policy.ports.at(443).has_addresses, 0);
  EXPECT_TRUE(policy.listen.empty());
}

TEST(Compile, AnAddressIsAKeyForEachPort) {
  const Policy policy = compile_good(rules_listening({"'192.0.2.10:80-81'"}));
  ASSERT_EQ(policy.listen.size(), 2U);
  const auto& [key, rule] = policy.listen.front();
  EXPECT_EQ(rule, 1);
  EXPECT_EQ(key.prefix_bits, HG_LISTEN_FIXED_BITS + 32U);
  EXPECT_EQ(key.port, 80);
  EXPECT_EQ(key.family, 4);
  EXPECT_EQ(bytes_of(key), "c000020a000000000000000000000000");
  EXPECT_EQ(policy.listen.back().first.port, 81);
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
    ASSERT_EQ(policy.listen.size(), 1U);
    const hg_listen_key& key = policy.listen.front().first;
    EXPECT_EQ(key.prefix_bits, HG_LISTEN_FIXED_BITS + c.length);
    EXPECT_EQ(key.family, c.family);
    EXPECT_EQ(bytes_of(key), c.address);
  }
}

TEST(Compile, MoreSpecificEntriesStandBesideWiderOnes) {
  const Policy policy = compile_good(rules_listening(
      {"443", "'0.0.0.0:443'", "'10.0.0.0/8:443'", "'10.0.0.1:443'", "'[::]:443'", "'[::1]:443'"}));
  EXPECT_EQ(policy.ports.at(443).rule, 1);
  EXPECT_EQ(policy.ports.at(443).has_addresses, 1);
  EXPECT_EQ(policy.listen.size(), 5U);
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

TEST(Compile, HoldsAsManyAddressedPortsAsTheKernel) {
  const Policy policy = compile_good(rules_listening({"'[::1]:1-65535'", "'10.0.0.1:1'"}));
  EXPECT_EQ(policy.listen.size(), kMaxListenEntries);
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
  EXPECT_EQ(policy->listen.size(), 2U);
}

}  // namespace
}  // namespace headgate::policy
