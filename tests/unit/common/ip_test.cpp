// SPDX-License-Identifier: Apache-2.0
#include "common/ip.h"

#include <string>
#include <unordered_set>

#include <gtest/gtest.h>

namespace headgate {
namespace {

TEST(IpAddress, ReadsAndWritesBothFamilies) {
  struct Case {
    std::string text;
    std::string canonical;
    IpFamily family;
  };
  const Case cases[] = {
      {"192.0.2.1", "192.0.2.1", IpFamily::kIpv4},
      {"0.0.0.0", "0.0.0.0", IpFamily::kIpv4},
      {"255.255.255.255", "255.255.255.255", IpFamily::kIpv4},
      {"::", "::", IpFamily::kIpv6},
      {"::1", "::1", IpFamily::kIpv6},
      {"2001:DB8:0:0::1", "2001:db8::1", IpFamily::kIpv6},
      {"::ffff:192.0.2.1", "192.0.2.1", IpFamily::kIpv4},
      {"::ffff:c000:201", "192.0.2.1", IpFamily::kIpv4},
      {"::fffe:192.0.2.1", "::fffe:c000:201", IpFamily::kIpv6},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<IpAddress> address = IpAddress::parse(c.text);
    ASSERT_TRUE(address.has_value());
    EXPECT_EQ(address->to_string(), c.canonical);
    EXPECT_EQ(address->family(), c.family);
  }
}

TEST(IpAddress, AMappedAddressIsTheIpv4Address) {
  EXPECT_EQ(*IpAddress::parse("::ffff:10.1.2.3"), *IpAddress::parse("10.1.2.3"));
}

TEST(IpAddress, HoldsNetworkByteOrder) {
  const IpAddress::Bytes expected = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->bytes(), expected);
}

TEST(IpAddress, RefusesWhatIsNotAnAddress) {
  const std::string nul_inside("10.0.0.1\0", 9);
  const std::string texts[] = {"",          "10.0.0",     "10.0.0.256", "10.0.0.1.1", "010.0.0.1",
                               "[::1]",     "::1%lo",     ":::",        "1::2::3",    "g::",
                               "localhost", "10.0.0.1/8", " 10.0.0.1",  "10.0.0.1 ",  nul_inside};
  for (const std::string& text : texts) {
    SCOPED_TRACE(text);
    const Result<IpAddress> address = IpAddress::parse(text);
    ASSERT_FALSE(address.has_value());
    EXPECT_EQ(address.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(address.error().message, "'" + text + "' is not an IPv4 or IPv6 address");
  }
}

TEST(Prefix, ReadsAndWritesBothFamilies) {
  struct Case {
    std::string text;
    std::string canonical;
    unsigned length;
  };
  const Case cases[] = {
      {"10.0.0.0/8", "10.0.0.0/8", 8},
      {"0.0.0.0/0", "0.0.0.0/0", 0},
      {"192.0.2.1", "192.0.2.1", 32},
      {"192.0.2.1/32", "192.0.2.1", 32},
      {"192.0.2.128/25", "192.0.2.128/25", 25},
      {"2001:db8::/32", "2001:db8::/32", 32},
      {"::/0", "::/0", 0},
      {"2001:db8::1", "2001:db8::1", 128},
      {"2001:db8::1/128", "2001:db8::1", 128},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<Prefix> prefix = Prefix::parse(c.text);
    ASSERT_TRUE(prefix.has_value());
    EXPECT_EQ(prefix->to_string(), c.canonical);
    EXPECT_EQ(prefix->length, c.length);
  }
}

TEST(Prefix, SaysWhatWouldBeRight) {
  struct Case {
    std::string text;
    std::string message;
  };
  const Case cases[] = {
      {"10.0.0.1/8", "'10.0.0.1/8' has bits set after its length; 10.0.0.0/8 would be right"},
      {"2001:db8::1/64",
       "'2001:db8::1/64' has bits set after its length; 2001:db8::/64 would be right"},
      {"10.0.0.0/33", "'10.0.0.0/33' has a bad length; 0 to 32 would be right"},
      {"10.0.0.0/08", "'10.0.0.0/08' has a bad length; 0 to 32 would be right"},
      {"10.0.0.0/00", "'10.0.0.0/00' has a bad length; 0 to 32 would be right"},
      {"10.0.0.0/+8", "'10.0.0.0/+8' has a bad length; 0 to 32 would be right"},
      {"::ffff:10.0.0.0/104", "'::ffff:10.0.0.0/104' has a bad length; 0 to 32 would be right"},
      {"::/129", "'::/129' has a bad length; 0 to 128 would be right"},
      {"10.0.0.0/", "'10.0.0.0/' has a bad length; 0 to 32 would be right"},
      {"10.0.0.0/-1", "'10.0.0.0/-1' has a bad length; 0 to 32 would be right"},
      {"10.0.0.0/8x", "'10.0.0.0/8x' has a bad length; 0 to 32 would be right"},
      {"10.0.0.0/99999999999", "'10.0.0.0/99999999999' has a bad length; 0 to 32 would be right"},
      {"10.0.0.0/8/8", "'10.0.0.0/8/8' has a bad length; 0 to 32 would be right"},
      {"ten/8", "'ten' is not an IPv4 or IPv6 address"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<Prefix> prefix = Prefix::parse(c.text);
    ASSERT_FALSE(prefix.has_value());
    EXPECT_EQ(prefix.error().message, c.message);
  }
}

TEST(Prefix, HashesItsLengthAndEveryByte) {
  const std::hash<Prefix> hash;
  std::unordered_set<std::size_t> hashes;
  std::size_t prefixes = 0;
  for (unsigned length = 0; length <= 32; ++length, ++prefixes) {
    hashes.insert(hash(Prefix::of(IpAddress{}, static_cast<std::uint8_t>(length))));
  }
  for (std::size_t byte = 0; byte < 16; ++byte, ++prefixes) {
    IpAddress::Bytes bytes{};
    bytes[byte] = 1;
    hashes.insert(hash(Prefix{IpAddress(bytes), 128}));
  }
  EXPECT_EQ(hashes.size(), prefixes);
  EXPECT_EQ(hash(*Prefix::parse("10.0.0.1")), hash(*Prefix::parse("::ffff:10.0.0.1/32")));
}

TEST(Prefix, CutsAnAddressInItsOwnFamily) {
  const auto cut = [](const char* text, std::uint8_t length) {
    return Prefix::of(*IpAddress::parse(text), length).to_string();
  };
  EXPECT_EQ(cut("192.0.2.255", 32), "192.0.2.255");
  EXPECT_EQ(cut("192.0.2.255", 25), "192.0.2.128/25");
  EXPECT_EQ(cut("192.0.2.255", 24), "192.0.2.0/24");
  EXPECT_EQ(cut("192.0.2.255", 0), "0.0.0.0/0");
  EXPECT_EQ(cut("2001:db8:1:2:ffff::1", 64), "2001:db8:1:2::/64");
  EXPECT_EQ(cut("2001:db8:1:2:ffff::1", 65), "2001:db8:1:2:8000::/65");
  EXPECT_EQ(cut("2001:db8::1", 0), "::/0");
}

}  // namespace
}  // namespace headgate
