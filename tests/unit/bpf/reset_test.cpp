// SPDX-License-Identifier: Apache-2.0
#include "bpf/reset.h"

#include <gtest/gtest.h>

#include "tests/frames/describe.h"
#include "tests/frames/parse.h"

namespace {

using namespace headgate::frames;

struct Case {
  std::string name;
  Bytes syn;
  std::string reset;
};

const std::string kMacs = "02:00:00:00:00:01 > 02:00:00:00:00:02";
const std::string kFour = ": 10.0.0.1:8000 > 10.9.9.9:40000 RST ACK sequence 0 acknowledgement ";
const std::string kSix =
    ": 2001:db8::1:8000 > 2001:db8::9:40000 RST ACK sequence 0 acknowledgement ";

Packet four(const Payload& inside, const Ipv4Fields& fields = {}) {
  return ipv4("10.9.9.9", "10.0.0.1", inside, fields);
}
Packet six(const Payload& inside) {
  return ipv6("2001:db8::9", "2001:db8::1", inside);
}

TEST(Reset, AnswersAsTheKernelWould) {
  const std::string end4 = " window 0 ttl 64 DF data 0";
  const std::string end6 = " window 0 ttl 64 data 0";
  const std::vector<Case> cases = {
      {"IPv4", ethernet(four(tcp())), kMacs + kFour + "1001" + end4},
      {"no options", ethernet(four(tcp({.options = 0}))), kMacs + kFour + "1001" + end4},
      {"padding", padded(ethernet(four(tcp({.options = 0}))), 60), kMacs + kFour + "1001" + end4},
      {"data", ethernet(four(tcp({.data = 100}))), kMacs + kFour + "1101" + end4},
      {"the last sequence number", ethernet(four(tcp({.sequence = 0xffffffff}))),
       kMacs + kFour + "0" + end4},
      {"IPv4 options", ethernet(four(tcp(), {.options = 40})), kMacs + kFour + "1001" + end4},
      {"a VLAN", ethernet(four(tcp()), {{0xa000 | 100}}),
       kMacs + " vlan " + std::to_string(0xa000 | 100) + kFour + "1001" + end4},
      {"QinQ", ethernet(four(tcp()), {{100, 0x88a8}, {200}}),
       kMacs + " service vlan 100 vlan 200" + kFour + "1001" + end4},
      {"IPv6", ethernet(six(tcp())), kMacs + kSix + "1001" + end6},
      {"extension headers", ethernet(six(hop_by_hop(routing(tcp({.data = 9}), 0)))),
       kMacs + kSix + "1010" + end6},
      {"QinQ of IPv6", ethernet(six(tcp()), {{100, 0x88a8}, {200}}),
       kMacs + " service vlan 100 vlan 200" + kSix + "1001" + end6},
  };
  for (const Case& one : cases) {
    const Bytes reset = reset_of(one.syn);
    EXPECT_EQ(describe(reset), one.reset) << one.name;
    EXPECT_EQ(reset.size(), one.syn.size()) << one.name << ": never longer than what it answers";
  }
}

TEST(Reset, IsRightForEveryRequest) {
  for (const Shape& shape : shapes()) {
    if (shape.kind != Kind::kSyn) continue;
    EXPECT_NE(describe(reset_of(shape.frame)).find(" RST ACK sequence 0"), std::string::npos)
        << shape.name << ": " << describe(reset_of(shape.frame));
  }
}

// Sums that carry, words of all ones, and everything between.
TEST(Reset, ChecksumsAreRightWhateverTheNumbers) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const std::string client = "10." + std::to_string(i * 7 % 256) + "." + std::to_string(i / 256) +
                               "." + std::to_string(i % 256);
    const auto port = static_cast<std::uint16_t>(i);
    const Bytes syn =
        ethernet(ipv4(client, "10.0.0.1", tcp({.from = port, .sequence = i * 65537 * 3})));
    const std::string said = describe(reset_of(syn));
    ASSERT_NE(said.find(" > " + client + ":" + std::to_string(port) + " RST ACK"),
              std::string::npos)
        << said;
  }
}

}  // namespace
