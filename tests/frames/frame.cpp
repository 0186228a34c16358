// SPDX-License-Identifier: Apache-2.0
#include "tests/frames/frame.h"

#include <algorithm>
#include <stdexcept>

namespace headgate::frames {
namespace {

constexpr std::size_t kIpv4Header = 20;

void put(Bytes& to, const Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
}

void put16(Bytes& to, std::size_t value) {
  put(to, {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)});
}

void put32(Bytes& to, std::uint32_t value) {
  put16(to, value >> 16);
  put16(to, value & 0xffff);
}

void put_zeros(Bytes& to, std::size_t count) {
  to.resize(to.size() + count);
}

IpAddress parse(const std::string& text) {
  auto parsed = IpAddress::parse(text);
  if (!parsed) throw std::invalid_argument(parsed.error().to_string());
  return *parsed;
}

void put_address(Bytes& to, const IpAddress& address) {
  const auto& bytes = address.bytes();
  to.insert(to.end(), address.family() == IpFamily::kIpv4 ? bytes.begin() + 12 : bytes.begin(),
            bytes.end());
}

Payload extension(std::uint8_t protocol, const Payload& next, const Bytes& rest) {
  Payload made{protocol, {next.protocol}};
  put(made.bytes, rest);
  put(made.bytes, next.bytes);
  return made;
}

Payload options(std::uint8_t protocol, const Payload& next, std::uint8_t units) {
  // One PadN option fills it.
  Bytes rest = {units, 1, static_cast<std::uint8_t>(8 * units + 4)};
  put_zeros(rest, 8 * std::size_t{units} + 4);
  return extension(protocol, next, rest);
}

Packet make_ipv4(const IpAddress& from, const IpAddress& to, const Payload& inside,
                 const Ipv4Fields& fields) {
  Packet made{0x0800, {}};
  const std::size_t header = kIpv4Header + fields.options;
  put(made.bytes, {static_cast<std::uint8_t>(0x40 | header / 4), 0});
  put16(made.bytes, header + inside.bytes.size());
  put16(made.bytes, 0x1234);
  put16(made.bytes, fields.fragment);
  put(made.bytes, {57, inside.protocol, 0, 0});
  put_address(made.bytes, from);
  put_address(made.bytes, to);
  made.bytes.resize(header, 1);  // options that do nothing
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < header; i += 2) sum += made.bytes[i] << 8 | made.bytes[i + 1];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  made.bytes[10] = static_cast<std::uint8_t>(~sum >> 8);
  made.bytes[11] = static_cast<std::uint8_t>(~sum);
  put(made.bytes, inside.bytes);
  return made;
}

Packet make_ipv6(const IpAddress& from, const IpAddress& to, const Payload& inside) {
  Packet made{0x86dd, {0x60, 0x0a, 0xbc, 0xde}};
  put16(made.bytes, inside.bytes.size());
  put(made.bytes, {inside.protocol, 57});
  // All 16 bytes, also of a mapped address.
  for (const IpAddress& address : {from, to}) {
    made.bytes.insert(made.bytes.end(), address.bytes().begin(), address.bytes().end());
  }
  put(made.bytes, inside.bytes);
  return made;
}

}  // namespace

Payload tcp(const TcpFields& fields) {
  Payload made{6, {}};
  put16(made.bytes, fields.from);
  put16(made.bytes, fields.to);
  put32(made.bytes, fields.sequence);
  put32(made.bytes, fields.acknowledgement);
  put(made.bytes, {static_cast<std::uint8_t>((20 + fields.options) / 4 << 4), fields.flags});
  put16(made.bytes, 64240);
  put_zeros(made.bytes, 4);
  const std::size_t header = made.bytes.size() + fields.options;
  put(made.bytes, fields.first_options);
  made.bytes.resize(header, 1);  // options that do nothing
  made.bytes.resize(made.bytes.size() + fields.data, 'x');
  return made;
}

Payload udp(const Bytes& data, const UdpFields& fields) {
  Payload made{17, {}};
  put16(made.bytes, fields.from);
  put16(made.bytes, fields.to);
  put16(made.bytes, 8 + data.size());
  put16(made.bytes, 0);
  put(made.bytes, data);
  return made;
}

Bytes quic(std::uint8_t first, std::uint32_t version, std::size_t size) {
  Bytes made = {first};
  put32(made, version);
  put(made, {8, 1, 2, 3, 4, 5, 6, 7, 8, 0});
  made.resize(size);
  return made;
}

Payload hop_by_hop(const Payload& next, std::uint8_t units) {
  return options(0, next, units);
}

Payload destination_options(const Payload& next, std::uint8_t units) {
  return options(60, next, units);
}

Payload routing(const Payload& next, std::uint8_t segments_left) {
  return extension(43, next, {0, 4, segments_left, 0, 0, 0, 0});
}

Payload fragment(const Payload& next, std::uint16_t offset, bool has_more) {
  Bytes rest = {0};
  put16(rest, std::size_t{offset} * 8 + (has_more ? 1 : 0));
  put32(rest, 0x12345678);
  return extension(44, next, rest);
}

Payload authentication(const Payload& next) {
  Bytes rest = {4};  // 24 bytes
  put_zeros(rest, 22);
  return extension(51, next, rest);
}

Packet ipv4(const std::string& from, const std::string& to, const Payload& inside,
            const Ipv4Fields& fields) {
  return make_ipv4(parse(from), parse(to), inside, fields);
}

Packet ipv6(const std::string& from, const std::string& to, const Payload& inside) {
  return make_ipv6(parse(from), parse(to), inside);
}

Packet ip(const IpAddress& from, const IpAddress& to, const Payload& inside) {
  return from.family() == IpFamily::kIpv4 ? make_ipv4(from, to, inside, {})
                                          : make_ipv6(from, to, inside);
}

Bytes ethernet(const Packet& inside, const std::vector<Tag>& tags, const Mac& to) {
  Bytes made(to.begin(), to.end());
  made.insert(made.end(), kTheirMac.begin(), kTheirMac.end());
  for (const Tag& tag : tags) {
    put16(made, tag.ethertype);
    put16(made, tag.id);
  }
  put16(made, inside.ethertype);
  put(made, inside.bytes);
  return made;
}

Bytes with(Bytes frame, std::size_t offset, const Bytes& bytes) {
  std::copy(bytes.begin(), bytes.end(), frame.begin() + static_cast<std::ptrdiff_t>(offset));
  return frame;
}

Bytes cut(Bytes frame, std::size_t size) {
  frame.resize(size);
  return frame;
}

Bytes padded(Bytes frame, std::size_t size) {
  frame.resize(std::max(frame.size(), size));
  return frame;
}

}  // namespace headgate::frames
