// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/unique_fd.h"
#include "tests/lab/endpoint.h"
#include "tests/lab/topology.h"

// TCP over IPv4 by hand, from addresses that belong to nobody, so that no kernel answers for them.
namespace headgate::lab {

struct TcpFlags {
  bool syn = false;
  bool ack = false;
  bool rst = false;
  bool fin = false;

  friend bool operator==(const TcpFlags&, const TcpFlags&) = default;
};

struct TcpSegment {
  Endpoint from;
  Endpoint to;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgement = 0;
  TcpFlags flags;
};

// An IPv4 packet with this segment and correct checksums.
std::vector<std::uint8_t> to_packet(const TcpSegment& segment);

// Clients that go through a handshake one step at a time. Not thread-safe.
class RawClient {
 public:
  // Sends from `host`, whose namespace also receives what the server answers.
  explicit RawClient(const Host& host);

  void send(const TcpSegment& segment);
  void send_syn(const Endpoint& from, const Endpoint& to);
  // Acknowledges the server's SYN-ACK: completes the handshake.
  void send_ack(const TcpSegment& syn_ack);

  // The next segment from `server` to `client`, or none in time.
  std::optional<TcpSegment> receive(const Endpoint& server, const Endpoint& client,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(2));

 private:
  UniqueFd sender_;
  UniqueFd sniffer_;
};

struct FloodReport {
  std::uint64_t sent = 0;
  std::chrono::milliseconds duration{};
};

// Sends SYNs from `host` to `to` for `duration`, at most `per_second`, from `sources` addresses in
// turn that start at `first_source`, with changing ports.
FloodReport flood_syns(const Host& host, const Endpoint& to, const IpAddress& first_source,
                       std::uint32_t sources, std::uint32_t per_second,
                       std::chrono::milliseconds duration);

}  // namespace headgate::lab
