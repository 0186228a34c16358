// SPDX-License-Identifier: Apache-2.0
#include "tests/frames/shapes.h"

namespace headgate::frames {
namespace {

const char* const kClient4 = "10.9.9.9";
const char* const kServer4 = "10.0.0.1";
const char* const kClient6 = "2001:db8::9";
const char* const kServer6 = "2001:db8::1";

// Offsets in an untagged frame.
constexpr std::size_t kIp = 14;
constexpr std::size_t kTcp4 = kIp + 20;
constexpr std::size_t kTcp6 = kIp + 40;
constexpr std::size_t kTcpWords = 12;

Packet four(const Payload& inside, const Ipv4Fields& fields = {}) {
  return ipv4(kClient4, kServer4, inside, fields);
}
Packet six(const Payload& inside) {
  return ipv6(kClient6, kServer6, inside);
}
Bytes syn4(const TcpFields& fields = {}) {
  return ethernet(four(tcp(fields)));
}
Bytes syn6(const TcpFields& fields = {}) {
  return ethernet(six(tcp(fields)));
}

std::vector<Shape> requests() {
  return {
      {"a SYN of IPv4", Kind::kSyn, syn4()},
      {"a SYN of IPv6", Kind::kSyn, syn6()},
      {"without TCP options", Kind::kSyn, syn4({.options = 0})},
      {"with all TCP options that fit", Kind::kSyn, syn4({.options = 40})},
      {"with data, as of Fast Open", Kind::kSyn, syn4({.data = 100})},
      {"with PSH", Kind::kSyn, syn4({.flags = kSyn | kPsh})},
      {"with ECN's flags", Kind::kSyn, syn4({.flags = kSyn | 0xc0})},
      {"with bytes behind the packet", Kind::kSyn, padded(syn4({.options = 0}), 60)},
      {"with all IPv4 options that fit", Kind::kSyn, ethernet(four(tcp(), {.options = 40}))},
      {"that may be fragmented", Kind::kSyn, ethernet(four(tcp(), {.fragment = 0}))},
      {"the first of several fragments", Kind::kSyn, ethernet(four(tcp(), {.fragment = 0x2000}))},
      {"in a VLAN", Kind::kSyn, ethernet(four(tcp()), {{100}})},
      {"in a VLAN, with priority", Kind::kSyn, ethernet(four(tcp()), {{0xe000 | 100}})},
      {"in a VLAN, IPv6", Kind::kSyn, ethernet(six(tcp()), {{100}})},
      {"QinQ", Kind::kSyn, ethernet(four(tcp()), {{100, 0x88a8}, {200}})},
      {"QinQ, IPv6", Kind::kSyn, ethernet(six(tcp()), {{100, 0x88a8}, {200}})},
      {"two tags of 802.1Q", Kind::kSyn, ethernet(four(tcp()), {{100}, {200}})},
      {"after hop-by-hop options", Kind::kSyn, ethernet(six(hop_by_hop(tcp())))},
      {"after long destination options", Kind::kSyn, ethernet(six(destination_options(tcp(), 20)))},
      {"after a routing header at its end", Kind::kSyn, ethernet(six(routing(tcp(), 0)))},
      {"after an atomic fragment header", Kind::kSyn, ethernet(six(fragment(tcp(), 0, false)))},
      {"the first of several fragments, IPv6", Kind::kSyn, ethernet(six(fragment(tcp(), 0, true)))},
      {"authenticated", Kind::kSyn, ethernet(six(authentication(tcp())))},
      {"after six extension headers", Kind::kSyn,
       ethernet(six(hop_by_hop(destination_options(
           routing(fragment(authentication(destination_options(tcp())), 0, false), 0)))))},
      {"a QUIC version 1 Initial", Kind::kQuicInitial, ethernet(four(udp(quic(0xc3, 1))))},
      {"a QUIC version 2 Initial", Kind::kQuicInitial, ethernet(six(udp(quic(0xd3, 0x6b3343cf))))},
  };
}

std::vector<Shape> segments() {
  return {
      {"an ACK", Kind::kSegment, syn4({.flags = kAck, .data = 1000})},
      {"an ACK of IPv6", Kind::kSegment, syn6({.flags = kAck | kPsh, .data = 1000})},
      {"an answer to a SYN of ours", Kind::kSegment, syn4({.flags = kSyn | kAck})},
      {"a FIN", Kind::kSegment, syn4({.flags = kFin | kAck})},
      {"a RST", Kind::kSegment, syn4({.flags = kRst})},
      {"without any flag", Kind::kSegment, syn4({.flags = 0})},
  };
}

// Right, and nothing of ours.
std::vector<Shape> others() {
  const Bytes arp = ethernet({0x0806, Bytes(46)});
  return {
      {"ARP", Kind::kOther, arp},
      {"ICMP", Kind::kOther, ethernet(four({1, Bytes(64)}))},
      {"ICMPv6, as of neighbour discovery", Kind::kOther, ethernet(six({58, Bytes(32)}))},
      {"SCTP", Kind::kOther, ethernet(four({132, Bytes(64)}))},
      {"IPv4 in IPv4", Kind::kOther, ethernet(four({4, four(tcp()).bytes}))},
      {"LLDP", Kind::kOther, ethernet({0x88cc, Bytes(46)})},
      {"no next header", Kind::kOther, ethernet(six({59, Bytes(32)}))},
      {"a later fragment", Kind::kOther, ethernet(four(tcp(), {.fragment = 0x2001}))},
      {"the last fragment", Kind::kOther, ethernet(four(tcp(), {.fragment = 0x0001}))},
      {"a later fragment, IPv6", Kind::kOther, ethernet(six(fragment(tcp(), 1, true)))},
      {"the last fragment, IPv6", Kind::kOther, ethernet(six(fragment(tcp(), 1, false)))},
      {"on its way to another host", Kind::kOther, ethernet(six(routing(tcp(), 1)))},
      {"DNS", Kind::kOther, ethernet(four(udp(Bytes(30))))},
      {"a QUIC short header", Kind::kOther, ethernet(four(udp(quic(0x43, 1))))},
      {"a QUIC handshake packet", Kind::kOther, ethernet(four(udp(quic(0xe3, 1))))},
      {"QUIC 0-RTT", Kind::kOther, ethernet(four(udp(quic(0xd3, 1))))},
      {"version 1's Initial in version 2", Kind::kOther,
       ethernet(four(udp(quic(0xc3, 0x6b3343cf))))},
      {"QUIC version negotiation", Kind::kOther, ethernet(four(udp(quic(0xc3, 0))))},
      {"a QUIC version that nobody knows", Kind::kOther, ethernet(four(udp(quic(0xc3, 2))))},
      {"a QUIC Initial without the fixed bit", Kind::kOther, ethernet(four(udp(quic(0x83, 1))))},
      {"a QUIC Initial that servers discard", Kind::kOther,
       ethernet(four(udp(quic(0xc3, 1, 1199))))},
      {"the first fragment of a QUIC Initial", Kind::kOther,
       ethernet(four(udp(quic(0xc3, 1)), {.fragment = 0x2000}))},
  };
}

std::vector<Shape> malformed() {
  const Bytes syn = syn4();
  return {
      {"nothing but an Ethernet header", Kind::kOther, cut(syn, 14)},
      {"an IPv4 header that is cut off", Kind::kOther, cut(syn, 33)},
      {"a TCP header that is cut off", Kind::kOther, cut(syn, kTcp4 + 19)},
      {"TCP options that are cut off", Kind::kOther, cut(syn, syn.size() - 1)},
      {"an IPv6 header that is cut off", Kind::kOther, cut(syn6(), kTcp6 - 1)},
      {"a TCP header of IPv6 that is cut off", Kind::kOther, cut(syn6(), kTcp6 + 19)},
      {"IPv4 of version 5", Kind::kOther, with(syn, kIp, {0x55})},
      {"IPv6 in an IPv4 frame", Kind::kOther, with(syn6(), 12, {0x08, 0x00})},
      {"IPv4 in an IPv6 frame", Kind::kOther, with(syn, 12, {0x86, 0xdd})},
      {"an IPv4 header of 16 bytes", Kind::kOther, with(syn, kIp, {0x44})},
      {"an IPv4 header of no bytes", Kind::kOther, with(syn, kIp, {0x40})},
      {"an IPv4 header longer than its packet", Kind::kOther,
       with(ethernet(four(tcp(), {.options = 40})), kIp + 2, {0, 59})},
      {"an IPv4 header longer than its frame", Kind::kOther, cut(with(syn, kIp, {0x4f}), 70)},
      {"an IPv4 length of zero", Kind::kOther, with(syn, kIp + 2, {0, 0})},
      {"an IPv4 length without TCP", Kind::kOther, with(syn, kIp + 2, {0, 20})},
      {"an IPv4 length that cuts TCP off", Kind::kOther, with(syn, kIp + 2, {0, 39})},
      {"an IPv4 length that cuts TCP's options off", Kind::kOther, with(syn, kIp + 2, {0, 59})},
      {"an IPv4 length beyond the frame", Kind::kOther, with(syn, kIp + 2, {0, 61})},
      {"the largest IPv4 length", Kind::kOther, with(syn, kIp + 2, {0xff, 0xff})},
      {"an IPv6 length of zero", Kind::kOther, with(syn6(), kIp + 4, {0, 0})},
      {"an IPv6 length that cuts TCP off", Kind::kOther, with(syn6(), kIp + 4, {0, 19})},
      {"an IPv6 length beyond the frame", Kind::kOther, with(syn6(), kIp + 4, {0, 41})},
      {"a TCP header of 16 bytes", Kind::kOther, with(syn, kTcp4 + kTcpWords, {0x40})},
      {"a TCP header of no bytes", Kind::kOther, with(syn, kTcp4 + kTcpWords, {0x00})},
      {"a TCP header longer than its packet", Kind::kOther, with(syn, kTcp4 + kTcpWords, {0xb0})},
      {"a first fragment without all of TCP", Kind::kOther,
       cut(with(ethernet(four(tcp(), {.fragment = 0x2000})), kIp + 2, {0, 36}), kTcp4 + 16)},
      {"a first fragment without TCP's options", Kind::kOther,
       cut(with(ethernet(four(tcp(), {.fragment = 0x2000})), kIp + 2, {0, 44}), kTcp4 + 24)},
      {"SYN and FIN", Kind::kOther, syn4({.flags = kSyn | kFin})},
      {"SYN and RST", Kind::kOther, syn4({.flags = kSyn | kRst})},
      {"every flag at once", Kind::kOther, syn4({.flags = 0xff})},
      {"three tags", Kind::kOther, ethernet(four(tcp()), {{100}, {200}, {300}})},
      {"a tag that is cut off", Kind::kOther, cut(ethernet(four(tcp()), {{100}}), 17)},
      {"a tag and nothing else", Kind::kOther, cut(ethernet(four(tcp()), {{100}}), 18)},
      {"seven extension headers", Kind::kOther,
       ethernet(six(hop_by_hop(destination_options(destination_options(destination_options(
           destination_options(destination_options(destination_options(tcp())))))))))},
      {"an extension header that is cut off", Kind::kOther,
       cut(ethernet(six(hop_by_hop(tcp()))), kTcp6 + 7)},
      {"an extension header beyond the frame", Kind::kOther,
       with(ethernet(six(hop_by_hop(tcp()))), kTcp6 + 1, {0xff})},
      {"an extension header beyond the packet", Kind::kOther,
       with(ethernet(six(hop_by_hop(tcp(), 10))), kIp + 4, {0, 100})},
      {"an authentication header beyond the frame", Kind::kOther,
       with(ethernet(six(authentication(tcp()))), kTcp6 + 1, {0xff})},
      {"a UDP length beyond the packet", Kind::kOther,
       with(ethernet(four(udp(quic(0xc3, 1)))), kTcp4 + 4, {0x04, 0xb9})},
      {"a UDP length of zero", Kind::kOther,
       with(ethernet(four(udp(quic(0xc3, 1)))), kTcp4 + 4, {0, 0})},
  };
}

// Addresses that no other host has, or that are not of one.
std::vector<Shape> martians() {
  std::vector<Shape> made;
  for (const char* from :
       {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", kServer4}) {
    made.push_back(
        {std::string("from ") + from, Kind::kOther, ethernet(ipv4(from, kServer4, tcp()))});
  }
  for (const char* to : {"224.0.0.1", "239.255.255.255", "255.255.255.255"}) {
    made.push_back({std::string("to ") + to, Kind::kOther, ethernet(ipv4(kClient4, to, tcp()))});
  }
  for (const char* from : {"::", "::1", "ff02::1", "::ffff:10.9.9.9", kServer6}) {
    made.push_back(
        {std::string("from ") + from, Kind::kOther, ethernet(ipv6(from, kServer6, tcp()))});
  }
  for (const char* to : {"ff02::1", "ff0e::1", "::ffff:10.0.0.1"}) {
    made.push_back({std::string("to ") + to, Kind::kOther, ethernet(ipv6(kClient6, to, tcp()))});
  }
  return made;
}

}  // namespace

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = [] {
    std::vector<Shape> made;
    for (const auto& part : {requests(), segments(), others(), malformed(), martians()}) {
      made.insert(made.end(), part.begin(), part.end());
    }
    return made;
  }();
  return all;
}

}  // namespace headgate::frames
