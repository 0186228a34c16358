// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/listen.h"

#include <string>

#include <gtest/gtest.h>

namespace headgate::config {
namespace {

const std::string kForms =
    R"(; "443", "443/udp", "8000-8010", "192.0.2.10:443" or "[2001:db8::1]:443" would be right)";

TEST(Listen, ReadsPortsAndAddresses) {
  struct Case {
    std::string text;
    std::string prefix;  // "" for every address
    std::uint16_t first;
    std::uint16_t last;
    std::string canonical;
    bool is_udp = false;
  };
  const Case cases[] = {
      {"1", "", 1, 1, "1"},
      {"65535", "", 65535, 65535, "65535"},
      {"8000-8010", "", 8000, 8010, "8000-8010"},
      {"80-80", "", 80, 80, "80"},
      {"1-65535", "", 1, 65535, "1-65535"},
      {"443/tcp", "", 443, 443, "443"},
      {"192.0.2.10:8443", "192.0.2.10", 8443, 8443, "192.0.2.10:8443"},
      {"10.0.0.0/8:443", "10.0.0.0/8", 443, 443, "10.0.0.0/8:443"},
      {"10.0.0.0/8:443/tcp", "10.0.0.0/8", 443, 443, "10.0.0.0/8:443"},
      {"0.0.0.0:80", "0.0.0.0/0", 80, 80, "0.0.0.0:80"},
      {"0.0.0.0/0:80", "0.0.0.0/0", 80, 80, "0.0.0.0:80"},
      {"[2001:db8::1]:8000-8010", "2001:db8::1", 8000, 8010, "[2001:db8::1]:8000-8010"},
      {"[2001:DB8::/32]:443", "2001:db8::/32", 443, 443, "[2001:db8::/32]:443"},
      {"[2001:db8::1/128]:443/tcp", "2001:db8::1", 443, 443, "[2001:db8::1]:443"},
      {"[::]:80", "::/0", 80, 80, "[::]:80"},
      {"[::/0]:80", "::/0", 80, 80, "[::]:80"},
      {"[::1]:80", "::1", 80, 80, "[::1]:80"},
      {"443/udp", "", 443, 443, "443/udp", true},
      {"8000-8010/udp", "", 8000, 8010, "8000-8010/udp", true},
      {"192.0.2.10:443/udp", "192.0.2.10", 443, 443, "192.0.2.10:443/udp", true},
      {"10.0.0.0/8:443/udp", "10.0.0.0/8", 443, 443, "10.0.0.0/8:443/udp", true},
      {"0.0.0.0/0:443/udp", "0.0.0.0/0", 443, 443, "0.0.0.0:443/udp", true},
      {"[2001:db8::1/128]:443/udp", "2001:db8::1", 443, 443, "[2001:db8::1]:443/udp", true},
      {"[2001:db8::/32]:1-9/udp", "2001:db8::/32", 1, 9, "[2001:db8::/32]:1-9/udp", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<Listen> listen = parse_listen(c.text);
    ASSERT_TRUE(listen.has_value()) << listen.error().message;
    EXPECT_EQ(listen->address ? listen->address->to_string() : "", c.prefix);
    EXPECT_EQ(listen->first_port, c.first);
    EXPECT_EQ(listen->last_port, c.last);
    EXPECT_EQ(listen->is_udp, c.is_udp);
    EXPECT_EQ(to_string(*listen), c.canonical);
    const Result<Listen> again = parse_listen(to_string(*listen));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->address, listen->address);
    EXPECT_EQ(again->is_udp, listen->is_udp);
  }
}

TEST(Listen, SaysWhatIsWrongAndWhatWouldBeRight) {
  struct Case {
    std::string text;
    std::string message;
  };
  const Case cases[] = {
      {"0", "'0' is not a port; 1 to 65535 would be right"},
      {"65536", "'65536' is not a port; 1 to 65535 would be right"},
      {"-1", "'-1' is not a port; 1 to 65535 would be right"},
      {"99999999999999999999", "'99999999999999999999' is not a port; 1 to 65535 would be right"},
      {"010", "'010' is not a port; 1 to 65535 would be right"},
      {"0x50", "'0x50' is not a port; 1 to 65535 would be right"},
      {"1_000", "'1_000' is not a port; 1 to 65535 would be right"},
      {"443.5", "'443.5' is not a port; 1 to 65535 would be right"},
      {"8e3", "'8e3' is not a port; 1 to 65535 would be right"},
      {"true", "'true' is not a port; 1 to 65535 would be right"},
      {"80-", "'80-' has the port ''; 1 to 65535 would be right"},
      {"80-90-100", "'80-90-100' has the port '90-100'; 1 to 65535 would be right"},
      {"0-10", "'0-10' has the port '0'; 1 to 65535 would be right"},
      {"1-65536", "'1-65536' has the port '65536'; 1 to 65535 would be right"},
      {"8010-8000", "'8010-8000' is a reversed range; '8000-8010' would be right"},
      {"10.0.0.1:20-10", "'10.0.0.1:20-10' is a reversed range; '10-20' would be right"},
      {"", "'' is not a port" + kForms},
      {" 443", "' 443' is not a port" + kForms},
      {"4 43", "'4 43' is not a port" + kForms},
      {"über", "'über' is not a port" + kForms},
      {"/tcp", "'/tcp' is not a port" + kForms},
      {"/udp", "'/udp' is not a port" + kForms},
      {"0/udp", "'0/udp' has the port '0'; 1 to 65535 would be right"},
      {"9-1/udp", "'9-1/udp' is a reversed range; '1-9' would be right"},
      {"443/UDP", "'443/UDP' ends with '/UDP'; '/tcp', '/udp' or nothing would be right"},
      {"443/udp/tcp", "'443/udp/tcp' has the port '443/udp'; 1 to 65535 would be right"},
      {"udp/443", "'udp/443' ends with '/443'; '/tcp', '/udp' or nothing would be right"},
      {"10.0.0.1/udp", "'10.0.0.1' has no port" + kForms},
      {"443/sctp", "'443/sctp' ends with '/sctp'; '/tcp', '/udp' or nothing would be right"},
      {"10.0.0.1", "'10.0.0.1' has no port" + kForms},
      {"10.0.0.0/8", "'10.0.0.0/8' has no port" + kForms},
      {"10.0.0.1:", "'10.0.0.1:' has the port ''; 1 to 65535 would be right"},
      {"10.0.0.1:0", "'10.0.0.1:0' has the port '0'; 1 to 65535 would be right"},
      {":80", "':80' has no address before ':'" + kForms},
      {"10.0.0:80", "'10.0.0:80' begins with '10.0.0', not an IP address" + kForms},
      {"10.0.0.256:80", "'10.0.0.256:80' begins with '10.0.0.256', not an IP address" + kForms},
      {"localhost:80", "'localhost:80' begins with 'localhost', not an IP address" + kForms},
      {"unit:", "'unit:' begins with 'unit', not an IP address" + kForms},
      {".service", "'.service' is not a port; 1 to 65535 would be right"},
      {"a:.service", "'a:.service' is not a port; { unit: \"a:.service\" } would be right"},
      {"*:80", "'*:80' begins with '*', not an IP address" + kForms},
      {"10.0.0.1/8:80", "'10.0.0.1/8' has bits set after its length; 10.0.0.0/8 would be right"},
      {"10.0.0.0/33:80", "'10.0.0.0/33' has a bad length; 0 to 32 would be right"},
      {"0.0.0.0/8:80",
       "'0.0.0.0/8:80' is a part of no network; '0.0.0.0/0' for every address would be right"},
      {"2001:db8::1:80",
       "'2001:db8::1:80' has an IPv6 address without brackets; "
       "\"[2001:db8::1]:443\" would be right"},
      {"[::1", "'[::1' has no ']'" + kForms},
      {"[::1]", "'[::1]' has no ':PORT' after ']'" + kForms},
      {"[::1]80", "'[::1]80' has no ':PORT' after ']'" + kForms},
      {"[]:80", "'[]:80' begins with '', not an IP address" + kForms},
      {"[fe80::1%eth0]:80",
       "'[fe80::1%eth0]:80' has a zone, which is not supported; the address without '%…' would be "
       "right"},
      {"[10.0.0.1]:80",
       "'[10.0.0.1]:80' has an IPv4 address in brackets; 10.0.0.1 without brackets would be right"},
      {"[::ffff:10.0.0.1]:80",
       "'[::ffff:10.0.0.1]:80' has an IPv4 address in brackets; 10.0.0.1 without brackets would be "
       "right"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<Listen> listen = parse_listen(c.text);
    ASSERT_FALSE(listen.has_value());
    EXPECT_EQ(listen.error().message, c.message);
    EXPECT_EQ(listen.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(Endpoint, IsOneAddressAndOnePort) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:9469").value(), "127.0.0.1:9469");
  EXPECT_EQ(parse_endpoint("0.0.0.0:9469").value(), "0.0.0.0:9469");
  EXPECT_EQ(parse_endpoint("[::1]:9469").value(), "[::1]:9469");
  EXPECT_EQ(parse_endpoint("[::]:9469").value(), "[::]:9469");
  EXPECT_EQ(parse_endpoint("[2001:DB8:0::1]:1").value(), "[2001:db8::1]:1");
  for (const std::string text :
       {"9469", ":9469", "localhost:9469", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536",
        "127.0.0.1:1-2", "10.0.0.0/8:1", "::1:9469", "127.0.0.1:9469/tcp", "127.0.0.1:9469/udp",
        "[fe80::1%lo]:9469", ""}) {
    const Result<std::string> endpoint = parse_endpoint(text);
    ASSERT_FALSE(endpoint.has_value()) << text;
    EXPECT_EQ(endpoint.error().message,
              "'" + text +
                  R"(' is not one address and port; "127.0.0.1:9469", "[::1]:9469" or off)"
                  " would be right");
  }
}

}  // namespace
}  // namespace headgate::config
