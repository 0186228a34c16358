// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"

// Ethernet frames, made from the inside out: ethernet(ipv4("10.9.9.9", "10.0.0.1", tcp({…}))).
// Lengths and the checksum of IPv4 are right; what is to be wrong is changed afterwards.
namespace headgate::frames {

using Bytes = std::vector<std::uint8_t>;
using Mac = std::array<std::uint8_t, 6>;

inline constexpr Mac kOurMac = {0x02, 0, 0, 0, 0, 0x01};
inline constexpr Mac kTheirMac = {0x02, 0, 0, 0, 0, 0x02};

enum TcpFlag : std::uint8_t { kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16 };

// What is inside an IP packet, and what it says it is.
struct Payload {
  std::uint8_t protocol = 0;
  Bytes bytes;
};

struct TcpFields {
  std::uint16_t from = 40000;
  std::uint16_t to = 8000;
  std::uint8_t flags = kSyn;
  std::uint32_t sequence = 1000;
  std::uint32_t acknowledgement = 0;
  std::size_t options = 20;                      // bytes, a multiple of 4
  std::vector<std::uint8_t> first_options = {};  // what they begin with; the rest does nothing
  std::size_t data = 0;                          // bytes
};
Payload tcp(const TcpFields& fields = {});

struct UdpFields {
  std::uint16_t from = 40000;
  std::uint16_t to = 8000;
};
Payload udp(const Bytes& data, const UdpFields& fields = {});

// A datagram as a QUIC client begins with. `first`: its first byte.
Bytes quic(std::uint8_t first, std::uint32_t version, std::size_t size = 1200);

// Extension headers of IPv6, before `next`. `units`: of 8 bytes beyond the first 8.
Payload hop_by_hop(const Payload& next, std::uint8_t units = 0);
Payload destination_options(const Payload& next, std::uint8_t units = 0);
Payload routing(const Payload& next, std::uint8_t segments_left);
Payload fragment(const Payload& next, std::uint16_t offset, bool has_more);
Payload authentication(const Payload& next);

struct Packet {
  std::uint16_t ethertype = 0;
  Bytes bytes;
};

struct Ipv4Fields {
  std::size_t options = 0;          // bytes, a multiple of 4
  std::uint16_t fragment = 0x4000;  // flags and offset: not to be fragmented
};
Packet ipv4(const std::string& from, const std::string& to, const Payload& inside,
            const Ipv4Fields& fields = {});
Packet ipv6(const std::string& from, const std::string& to, const Payload& inside);
// Of the family that the addresses have.
Packet ip(const IpAddress& from, const IpAddress& to, const Payload& inside);

struct Tag {
  std::uint16_t id = 0;
  std::uint16_t ethertype = 0x8100;
};
Bytes ethernet(const Packet& inside, const std::vector<Tag>& tags = {}, const Mac& to = kOurMac);

// The frame with `bytes` written over what is at `offset`.
Bytes with(Bytes frame, std::size_t offset, const Bytes& bytes);
// Its first `size` bytes.
Bytes cut(Bytes frame, std::size_t size);
// Filled up with zeros to `size` bytes.
Bytes padded(Bytes frame, std::size_t size);

}  // namespace headgate::frames
