// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/address.h"

#include <string>

#include <gtest/gtest.h>

#include "daemon/policy/limits.h"

namespace headgate::kernel {
namespace {

bool is_in(const std::string& client, const std::string& cidr) {
  return is_within(to_abi(*IpAddress::parse(client)), *Prefix::parse(cidr));
}

TEST(Address, GoesToTheKernelAndBack) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "2001:db8::1", "::1"}) {
    EXPECT_EQ(to_ip(to_abi(*IpAddress::parse(text))).to_string(), text);
  }
}

TEST(Mask, FixesTheBitsOfThePrefixInItsOwnFamily) {
  const auto text = [](IpFamily family, std::uint8_t length) {
    return to_ip(policy::mask_of(family, length)).to_string();
  };
  EXPECT_EQ(text(IpFamily::kIpv6, 0), "::");
  EXPECT_EQ(text(IpFamily::kIpv6, 33), "ffff:ffff:8000::");
  EXPECT_EQ(text(IpFamily::kIpv6, 128), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  EXPECT_EQ(text(IpFamily::kIpv4, 0), "ffff:ffff:ffff:ffff:ffff:ffff::");
  EXPECT_EQ(text(IpFamily::kIpv4, 9), "ffff:ffff:ffff:ffff:ffff:ffff:ff80:0");
  EXPECT_EQ(text(IpFamily::kIpv4, 32), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

TEST(IsWithin, ComparesTheBitsOfThePrefix) {
  EXPECT_TRUE(is_in("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(is_in("192.0.2.2", "192.0.2.1"));
  EXPECT_TRUE(is_in("192.0.2.255", "192.0.2.128/25"));
  EXPECT_FALSE(is_in("192.0.2.127", "192.0.2.128/25"));
  EXPECT_TRUE(is_in("2001:db8::1", "2001:db8::/32"));
  EXPECT_FALSE(is_in("2001:db9::1", "2001:db8::/32"));
  EXPECT_TRUE(is_in("203.0.113.1", "0.0.0.0/0"));
  EXPECT_TRUE(is_in("2001:db8::1", "::/0"));
  EXPECT_FALSE(is_in("2001:db8::1", "0.0.0.0/0"));
}

// The kernel's tables know each family's prefixes by themselves: ::/0 is no IPv4 address there.
TEST(IsWithin, NoPrefixOfIpv6HoldsAnIpv4Address) {
  EXPECT_FALSE(is_in("192.0.2.1", "::/0"));
  EXPECT_FALSE(is_in("192.0.2.1", "::/64"));
}

}  // namespace
}  // namespace headgate::kernel
