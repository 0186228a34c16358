// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/raw_tcp.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <thread>

#include "tests/lab/error.h"

namespace headgate::lab {
namespace {

constexpr std::size_t kPacketBytes = sizeof(iphdr) + sizeof(tcphdr);
using Packet = std::array<std::uint8_t, kPacketBytes>;

// RFC 1071 over whole 16-bit words.
std::uint32_t sum_words(const void* data, std::size_t bytes, std::uint32_t sum) {
  const auto* octets = static_cast<const std::uint8_t*>(data);
  for (std::size_t i = 0; i + 1 < bytes; i += 2) {
    sum += static_cast<std::uint32_t>(octets[i]) << 8 | octets[i + 1];
  }
  return sum;
}

std::uint16_t finish_checksum(std::uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<std::uint16_t>(~sum));
}

std::uint32_t ipv4_word(const IpAddress& address) {
  std::uint32_t word = 0;
  std::memcpy(&word, address.bytes().data() + 12, 4);
  return word;
}

IpAddress from_ipv4_word(std::uint32_t word) {
  IpAddress::Bytes bytes{};
  bytes[10] = bytes[11] = 0xff;
  std::memcpy(bytes.data() + 12, &word, 4);
  return IpAddress(bytes);
}

void write_packet(const TcpSegment& segment, Packet& packet) {
  iphdr ip{};
  ip.version = 4;
  ip.ihl = sizeof ip / 4;
  ip.tot_len = htons(kPacketBytes);
  ip.ttl = 64;
  ip.protocol = IPPROTO_TCP;
  ip.saddr = ipv4_word(segment.from.address);
  ip.daddr = ipv4_word(segment.to.address);
  ip.check = finish_checksum(sum_words(&ip, sizeof ip, 0));

  tcphdr tcp{};
  tcp.source = htons(segment.from.port);
  tcp.dest = htons(segment.to.port);
  tcp.seq = htonl(segment.sequence);
  tcp.ack_seq = htonl(segment.acknowledgement);
  tcp.doff = sizeof tcp / 4;
  tcp.syn = segment.flags.syn;
  tcp.ack = segment.flags.ack;
  tcp.rst = segment.flags.rst;
  tcp.fin = segment.flags.fin;
  tcp.window = htons(65535);
  // The pseudo header: both addresses, protocol, length.
  std::uint32_t sum = sum_words(&ip.saddr, 8, IPPROTO_TCP + sizeof tcp);
  tcp.check = finish_checksum(sum_words(&tcp, sizeof tcp, sum));

  std::memcpy(packet.data(), &ip, sizeof ip);
  std::memcpy(packet.data() + sizeof ip, &tcp, sizeof tcp);
}

std::optional<TcpSegment> read_packet(const std::uint8_t* data, std::size_t bytes) {
  iphdr ip;
  tcphdr tcp;
  if (bytes < sizeof ip) return std::nullopt;
  std::memcpy(&ip, data, sizeof ip);
  const std::size_t header = ip.ihl * 4U;
  if (ip.protocol != IPPROTO_TCP || bytes < header + sizeof tcp) return std::nullopt;
  std::memcpy(&tcp, data + header, sizeof tcp);
  TcpSegment segment;
  segment.from = {from_ipv4_word(ip.saddr), ntohs(tcp.source)};
  segment.to = {from_ipv4_word(ip.daddr), ntohs(tcp.dest)};
  segment.sequence = ntohl(tcp.seq);
  segment.acknowledgement = ntohl(tcp.ack_seq);
  segment.flags = {tcp.syn != 0, tcp.ack != 0, tcp.rst != 0, tcp.fin != 0};
  return segment;
}

UniqueFd open_sender(const Host& host) {
  return host.network().run([] {
    return UniqueFd(check(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), "raw socket"));
  });
}

}  // namespace

std::vector<std::uint8_t> to_packet(const TcpSegment& segment) {
  Packet packet;
  write_packet(segment, packet);
  return {packet.begin(), packet.end()};
}

RawClient::RawClient(const Host& host)
    : sender_(open_sender(host)), sniffer_(host.network().run([] {
        return check(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP)),
                     "packet socket");
      })) {}

void RawClient::send(const TcpSegment& segment) {
  Packet packet;
  write_packet(segment, packet);
  const SocketAddress to = to_socket_address({segment.to.address, 0});
  check(::sendto(sender_.get(), packet.data(), packet.size(), 0, to.get(), to.length),
        "send a raw packet");
}

void RawClient::send_syn(const Endpoint& from, const Endpoint& to) {
  send({from, to, 1000, 0, {.syn = true}});
}

void RawClient::send_ack(const TcpSegment& syn_ack) {
  send({syn_ack.to, syn_ack.from, syn_ack.acknowledgement, syn_ack.sequence + 1, {.ack = true}});
}

std::optional<TcpSegment> RawClient::receive(const Endpoint& server, const Endpoint& client,
                                             std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd wanted{sniffer_.get(), POLLIN, 0};
    if (left.count() < 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) != 1) {
      return std::nullopt;
    }
    std::array<std::uint8_t, 2048> data;
    const auto received = ::recv(sniffer_.get(), data.data(), data.size(), 0);
    if (received <= 0) continue;
    const auto segment = read_packet(data.data(), static_cast<std::size_t>(received));
    if (segment && segment->from == server && segment->to == client) return segment;
  }
}

FloodReport flood_syns(const Host& host, const Endpoint& to, const IpAddress& first_source,
                       std::uint32_t sources, std::uint32_t per_second,
                       std::chrono::milliseconds duration) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kBatch = 64;
  const UniqueFd sender = open_sender(host);
  const SocketAddress destination = to_socket_address({to.address, 0});
  std::array<Packet, kBatch> packets;
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    parts[i] = {packets[i].data(), packets[i].size()};
    messages[i].msg_hdr.msg_name = const_cast<sockaddr*>(destination.get());
    messages[i].msg_hdr.msg_namelen = destination.length;
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }

  FloodReport report;
  const std::uint32_t first = ntohl(ipv4_word(first_source));
  const auto begin = Clock::now();
  auto next_batch = begin;
  std::uint32_t serial = 0;
  while (next_batch < begin + duration) {
    for (Packet& packet : packets) {
      const std::uint32_t source = htonl(first + serial % sources);
      const auto port = static_cast<std::uint16_t>(1024 + serial / sources % 60000);
      write_packet({{from_ipv4_word(source), port}, to, serial, 0, {.syn = true}}, packet);
      ++serial;
    }
    const int sent = check(::sendmmsg(sender.get(), messages.data(), kBatch, 0), "sendmmsg");
    report.sent += static_cast<std::uint64_t>(sent);
    next_batch += std::chrono::nanoseconds(1'000'000'000ULL * kBatch / per_second);
    std::this_thread::sleep_until(next_batch);
  }
  report.duration = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
  return report;
}

}  // namespace headgate::lab
