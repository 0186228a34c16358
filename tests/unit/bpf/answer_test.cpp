// SPDX-License-Identifier: Apache-2.0
#include "bpf/answer.h"

#include <gtest/gtest.h>

#include "tests/frames/describe.h"
#include "tests/frames/parse.h"

namespace {

using namespace headgate::frames;

struct Case {
  std::string name;
  Bytes syn;
  std::string answer;
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
    EXPECT_EQ(describe(reset), one.answer) << one.name;
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

TEST(SynAck, TellsTheCookieAndOurMss) {
  const std::string says4 =
      ": 10.0.0.1:8000 > 10.9.9.9:40000 SYN ACK sequence 3735928559 acknowledgement ";
  const std::string says6 =
      ": 2001:db8::1:8000 > 2001:db8::9:40000 SYN ACK sequence 3735928559 acknowledgement ";
  const std::string end4 = " window 14600 ttl 64 DF";
  const std::string end6 = " window 14600 ttl 64";
  const std::string with_mss = " mss 1460 data 0";
  const std::string without = " data 0";
  const std::vector<Case> cases = {
      {"IPv4", ethernet(four(tcp())), kMacs + says4 + "1001" + end4 + with_mss},
      {"the least of options", ethernet(four(tcp({.options = 4}))),
       kMacs + says4 + "1001" + end4 + with_mss},
      {"no room for one", ethernet(four(tcp({.options = 0}))),
       kMacs + says4 + "1001" + end4 + without},
      {"room in the padding", padded(ethernet(four(tcp({.options = 0}))), 60),
       kMacs + says4 + "1001" + end4 + with_mss},
      {"data, which is not acknowledged", ethernet(four(tcp({.data = 100}))),
       kMacs + says4 + "1001" + end4 + with_mss},
      {"the last sequence number", ethernet(four(tcp({.sequence = 0xffffffff}))),
       kMacs + says4 + "0" + end4 + with_mss},
      {"IPv4 options", ethernet(four(tcp(), {.options = 40})),
       kMacs + says4 + "1001" + end4 + with_mss},
      {"a VLAN", ethernet(four(tcp()), {{0xa000 | 100}}),
       kMacs + " vlan " + std::to_string(0xa000 | 100) + says4 + "1001" + end4 + with_mss},
      {"QinQ", ethernet(four(tcp()), {{100, 0x88a8}, {200}}),
       kMacs + " service vlan 100 vlan 200" + says4 + "1001" + end4 + with_mss},
      {"IPv6", ethernet(six(tcp())), kMacs + says6 + "1001" + end6 + with_mss},
      {"IPv6, no room for one", ethernet(six(tcp({.options = 0}))),
       kMacs + says6 + "1001" + end6 + without},
      {"extension headers", ethernet(six(hop_by_hop(routing(tcp({.data = 9}), 0)))),
       kMacs + says6 + "1001" + end6 + with_mss},
      {"QinQ of IPv6", ethernet(six(tcp()), {{100, 0x88a8}, {200}}),
       kMacs + " service vlan 100 vlan 200" + says6 + "1001" + end6 + with_mss},
  };
  for (const Case& one : cases) {
    const Bytes answer = syn_ack_of(one.syn, 0xdeadbeef, 1460);
    EXPECT_EQ(describe(answer), one.answer) << one.name;
    EXPECT_EQ(answer.size(), one.syn.size()) << one.name << ": never longer than what it answers";
  }
  EXPECT_EQ(describe(syn_ack_of(ethernet(four(tcp())), 1, 0)),
            kMacs + ": 10.0.0.1:8000 > 10.9.9.9:40000 SYN ACK sequence 1 acknowledgement 1001" +
                end4 + without)
      << "the MSS is not known";
}

TEST(SynAck, ChecksumsAreRightWhateverTheNumbers) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto mss = static_cast<std::uint16_t>(i * 257 + 1);
    const Bytes syn = ethernet(four(tcp({.sequence = i * 65537 * 3})));
    const std::string said = describe(syn_ack_of(syn, i * 0x9e3779b1, mss));
    ASSERT_NE(said.find(" SYN ACK sequence " + std::to_string(i * 0x9e3779b1) + " "),
              std::string::npos)
        << said;
  }
}

TEST(Signature, IsFoundAmongTheOptions) {
  struct Option {
    std::string name;
    Bytes bytes;
    bool is_signed;
    std::size_t options = 20;
  };
  const Bytes nothing(38, 1);
  const auto after = [](Bytes first, const Bytes& more) {
    first.insert(first.end(), more.begin(), more.end());
    return first;
  };
  const std::vector<Option> cases = {
      {"nothing", {}, false},
      {"no options", {}, false, 0},
      {"MD5", {19, 18}, true},
      {"TCP-AO", {29, 16}, true},
      {"after others", {2, 4, 5, 180, 1, 1, 19, 18}, true, 24},
      {"at the very end", after(nothing, {29, 2}), true, 40},
      {"within another option", {8, 10, 19, 18, 0, 0, 29, 16, 0, 0}, false},
      {"behind the end", {0, 19, 18, 0}, false},
      {"behind an option of no length", {8, 0, 19, 18}, false},
      {"behind an option of one byte", {8, 1, 19, 18}, false},
      {"behind an option that is too long", {8, 255, 19, 18}, false},
      {"its length is beyond the header", after(Bytes(39, 1), {19}), false, 40},
  };
  for (const Option& one : cases) {
    const Bytes frame =
        ethernet(four(tcp({.options = one.options, .first_options = one.bytes, .data = 30})));
    EXPECT_EQ(is_signed(frame), one.is_signed) << one.name;
  }
}

}  // namespace
