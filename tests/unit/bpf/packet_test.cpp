// SPDX-License-Identifier: Apache-2.0
#include "bpf/packet.h"

#include <gtest/gtest.h>

#include "tests/frames/parse.h"

namespace {

using namespace headgate::frames;

std::string name_of(Kind kind) {
  switch (kind) {
    case Kind::kOther:
      return "other";
    case Kind::kSyn:
      return "SYN";
    case Kind::kSegment:
      return "segment";
    case Kind::kQuicInitial:
      return "QUIC Initial";
  }
  return "?";
}

headgate::IpAddress to_ip(const hg_address& address) {
  headgate::IpAddress::Bytes bytes{};
  std::memcpy(bytes.data(), &address, bytes.size());
  return headgate::IpAddress(bytes);
}

TEST(Packet, EveryShapeIsWhatItIs) {
  for (const Shape& shape : shapes()) {
    EXPECT_EQ(name_of(parse(shape.frame).kind), name_of(shape.kind)) << shape.name;
  }
}

TEST(Packet, ARequestIsReadInEveryShape) {
  for (const Shape& shape : shapes()) {
    if (shape.kind != Kind::kSyn && shape.kind != Kind::kQuicInitial) continue;
    SCOPED_TRACE(shape.name);
    const hg_packet packet = parse(shape.frame).packet;
    const std::string client = to_ip(packet.source).to_string();
    const std::string server = to_ip(packet.destination).to_string();
    EXPECT_EQ(client, packet.is_ipv6 ? "2001:db8::9" : "10.9.9.9");
    EXPECT_EQ(server, packet.is_ipv6 ? "2001:db8::1" : "10.0.0.1");
    EXPECT_EQ(packet.source_port, 40000);
    EXPECT_EQ(packet.destination_port, 8000);
    EXPECT_EQ(packet.is_udp != 0, shape.kind == Kind::kQuicInitial);
  }
}

// Whatever is cut off a request, and wherever, what is left is no request, but for bytes behind it.
TEST(Packet, ARequestThatIsCutOffIsNone) {
  for (const Shape& shape : shapes()) {
    if (shape.kind == Kind::kOther || shape.kind == Kind::kSegment) continue;
    const std::size_t end = parse(shape.frame).packet.end;
    for (std::size_t size = 0; size < end; ++size) {
      ASSERT_EQ(name_of(parse(cut(shape.frame, size)).kind), "other")
          << shape.name << ", cut to " << size << " of " << end << " bytes";
    }
  }
}

TEST(Packet, TagsAreRead) {
  const auto tags = [](const std::vector<Tag>& given) {
    const hg_packet packet = parse(ethernet(ipv4("10.9.9.9", "10.0.0.1", tcp()), given)).packet;
    return std::pair<int, int>(packet.vlan[0], packet.vlan[1]);
  };
  EXPECT_EQ(tags({}), std::pair(0, 0));
  EXPECT_EQ(tags({{100}}), std::pair(100, 0));
  EXPECT_EQ(tags({{0xf000 | 4095}}), std::pair(4095, 0));
  EXPECT_EQ(tags({{100, 0x88a8}, {200}}), std::pair(100, 200));
}

TEST(Packet, WhatTheAnswerNeedsIsRead) {
  const auto packet = [](const TcpFields& fields, std::size_t frame_bytes = 0) {
    return parse(padded(ethernet(ipv4("10.9.9.9", "10.0.0.1", tcp(fields))), frame_bytes)).packet;
  };
  EXPECT_EQ(packet({.sequence = 0xfffffffe}).sequence, 0xfffffffeU);
  EXPECT_EQ(packet({.options = 40, .data = 0}).payload, 0U);
  EXPECT_EQ(packet({.options = 0, .data = 17}).payload, 17U);
  EXPECT_EQ(packet({.options = 0, .data = 0}, 60).payload, 0U) << "padding is no data";
}

TEST(Packet, OnlyWhatIsNeitherFragmentNorAuthenticatedIsPlain) {
  const auto is_plain = [](const Packet& inside) {
    return parse(ethernet(inside)).packet.is_plain != 0;
  };
  const auto six = [](const Payload& inside) { return ipv6("2001:db8::9", "2001:db8::1", inside); };
  EXPECT_TRUE(is_plain(ipv4("10.9.9.9", "10.0.0.1", tcp())));
  EXPECT_TRUE(is_plain(six(hop_by_hop(tcp()))));
  EXPECT_TRUE(is_plain(six(fragment(tcp(), 0, false))));
  EXPECT_FALSE(is_plain(ipv4("10.9.9.9", "10.0.0.1", tcp(), {.fragment = 0x2000})));
  EXPECT_FALSE(is_plain(six(fragment(tcp(), 0, true))));
  EXPECT_FALSE(is_plain(six(authentication(tcp()))));
}

}  // namespace
