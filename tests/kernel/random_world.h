// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "common/ip.h"
#include "daemon/config/config.h"

namespace headgate::lab {

using config::Config;

// Random configurations in a world so small that everything overlaps.
class World {
 public:
  explicit World(std::uint32_t seed) : random_(seed) {}

  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool one_in(int n) { return below(n) == 0; }

  IpAddress address() {
    const bool is_ipv4 = !one_in(3);
    IpAddress::Bytes bytes{};
    if (is_ipv4) {
      bytes[10] = bytes[11] = 0xff;
      bytes[12] = 10;
      bytes[13] = byte();
      bytes[14] = byte();
      bytes[15] = byte();
    } else {
      bytes[0] = 0x20;
      bytes[1] = 0x01;
      for (const std::size_t i : {4U, 5U, 7U, 9U, 15U}) bytes[i] = byte();
    }
    return IpAddress(bytes);
  }

  Prefix prefix() {
    const IpAddress base = address();
    const int longest = base.family() == IpFamily::kIpv4 ? 32 : 128;
    const int length = one_in(4) ? longest : 1 + below(longest);
    return Prefix::of(base, static_cast<std::uint8_t>(length));
  }

  std::uint16_t port() { return static_cast<std::uint16_t>(8000 + below(4)); }

  std::optional<std::uint32_t> limit() {
    if (one_in(3)) return std::nullopt;
    return static_cast<std::uint32_t>(one_in(3) ? 0 : 1 + below(100));
  }

  config::Override override(std::set<Prefix>& taken) {
    config::Override made;
    for (int i = 0; i <= below(3); ++i) {
      const Prefix clients = prefix();
      if (taken.insert(clients).second) made.clients.push_back(clients);
    }
    if (one_in(5)) {
      made.exempt = true;
      return made;
    }
    if (!one_in(3)) made.per_client = config::OverrideLimit<std::uint32_t>{limit()};
    if (one_in(2)) made.per_network = config::OverrideLimit<std::uint32_t>{limit()};
    return made;
  }

  config::Rule rule(int number) {
    config::Rule made;
    made.name = "rule-" + std::to_string(number);
    for (int i = 0; i <= below(3); ++i) {
      config::Listen listen;
      listen.first_port = port();
      listen.last_port = static_cast<std::uint16_t>(listen.first_port + below(2));
      if (!one_in(3)) listen.address = prefix();
      listen.is_udp = one_in(4);
      made.listen.push_back(listen);
    }
    made.connections = {limit(), limit(), limit(), 0};
    if (made.connections.total && one_in(3)) made.connections.reserve = *made.connections.total;
    made.settings.client_prefix = {static_cast<std::uint8_t>(20 + below(13)),
                                   static_cast<std::uint8_t>(40 + below(89))};
    made.settings.network_prefix = {static_cast<std::uint8_t>(below(20)),
                                    static_cast<std::uint8_t>(below(40))};
    std::set<Prefix> taken;
    for (int i = below(6); i > 0; --i) {
      config::Override more = override(taken);
      if (!more.clients.empty()) made.overrides.push_back(std::move(more));
    }
    return made;
  }

  Config configuration() {
    Config made;
    // Names come and go, so that numbers are kept, freed and given out again.
    const int first = below(1000);
    for (int i = 0; i <= below(4); ++i) made.rules.push_back(rule(first + i));
    std::set<Prefix> taken;
    for (int i = below(4); i > 0; --i) {
      const Prefix cidr = prefix();
      if (taken.insert(cidr).second) made.clients.exempt.push_back({cidr, {}});
    }
    taken.clear();
    for (int i = below(6); i > 0; --i) {
      const Prefix cidr = prefix();
      if (taken.insert(cidr).second) made.clients.deny.push_back({cidr, {}, {}, {}});
    }
    return made;
  }

 private:
  std::uint8_t byte() { return static_cast<std::uint8_t>(one_in(2) ? below(2) : 128 * below(2)); }

  std::mt19937 random_;
};

}  // namespace headgate::lab
