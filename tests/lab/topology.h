// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/lab/network_namespace.h"
#include "tests/lab/socket.h"

namespace headgate::lab {

// A host: a network namespace and its addresses. Thread-safe after construction.
class Host {
 public:
  Host(const std::string& role, IpAddress ipv4, IpAddress ipv6, unsigned tcp_hash_buckets = 0);

  const NetworkNamespace& network() const { return network_; }
  const IpAddress& ipv4() const { return ipv4_; }
  const IpAddress& ipv6() const { return ipv6_; }

  ConnectResult connect(const Endpoint& to, const ConnectOptions& options = {}) const;
  UniqueFd listen(const Endpoint& at, const ListenOptions& options = {}) const;

  // Takes every address of `prefix` ("198.18.0.7/32") as its own.
  void own(const std::string& prefix) const;

 private:
  NetworkNamespace network_;
  IpAddress ipv4_;
  IpAddress ipv6_;
};

// One server host and clients, each joined to it by a veth pair, all in namespaces of their own.
//
//   server          10.0.0.1, 2001:db8::1 (on lo: every client reaches the same address)
//   client i (0…)   10.0.(i+1).2, 2001:db8:0:(i+1)::2, and as source addresses also all of
//                   10.(64+i).0.0/16 and 2001:db8:(64+i)::/48 (the group in decimal digits)
//   nobody          198.18.0.0/15: the server routes it to client 0, which ignores it, so that
//                   a spoofed SYN is never answered with a reset
class Lab {
 public:
  struct Options {
    int clients = 2;
    unsigned server_tcp_hash_buckets = 0;  // see NetworkNamespace
    // Packets are received at the end of interrupts, on any processor, as from a real network card
    // (receive packet steering). Without, a veth pair hands them over within the sender's call.
    bool receive_by_interrupt = false;
  };
  Lab() : Lab(Options()) {}
  explicit Lab(const Options& options);

  const Host& server() const { return *server_; }
  const Host& client(std::size_t index) const { return *clients_.at(index); }
  std::size_t clients() const { return clients_.size(); }

  Endpoint server_ipv4(std::uint16_t port) const { return {server_->ipv4(), port}; }
  Endpoint server_ipv6(std::uint16_t port) const { return {server_->ipv6(), port}; }

 private:
  std::unique_ptr<Host> server_;
  std::vector<std::unique_ptr<Host>> clients_;
};

}  // namespace headgate::lab
