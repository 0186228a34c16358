// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"

namespace headgate::config {

// Where a value stands in its file: 1-based line and column, for error messages.
struct Position {
  int line = 0;
  int column = 0;
};

// How long a client's address is: connections whose source addresses share these bits are one
// client.
struct ClientPrefix {
  std::uint8_t ipv4 = 32;  // 0..32
  std::uint8_t ipv6 = 64;  // 0..128
};

// Which limits count half-open connections (see docs/adr/0002-counting-rules.md).
enum class CountHalfOpen { kClient, kAll, kNone };

// What a refused client sees.
enum class OnLimit { kReset };

// What happens to a new client when the table of clients is full.
enum class OnTableFull { kAdmit, kRefuse };

// Settings that a rule takes from `defaults` unless it has its own.
struct RuleSettings {
  ClientPrefix client_prefix;
  std::chrono::milliseconds handshake_timeout{10'000};  // 100 ms .. 1 h
  CountHalfOpen count_half_open = CountHalfOpen::kClient;
  OnLimit on_limit = OnLimit::kReset;
  OnTableFull on_table_full = OnTableFull::kAdmit;
};

// One `listen` entry: local TCP ports first..last (both included, never 0) on some addresses.
struct Listen {
  std::optional<Prefix> address;  // none: every local address, IPv4 and IPv6
  std::uint16_t first_port = 0;
  std::uint16_t last_port = 0;
  Position position;
};

// Limits in connections. 0 refuses all; none is no limit. At most kMaxConnections.
struct ConnectionLimits {
  std::optional<std::uint32_t> per_client;
  std::optional<std::uint32_t> total;
};
inline constexpr std::uint32_t kMaxConnections = 1'000'000'000;

struct Rule {
  std::string name;            // unique; [A-Za-z0-9_.-]{1,63}: it becomes a metric label
  std::vector<Listen> listen;  // at least one
  ConnectionLimits connections;
  RuleSettings settings;
  Position position;
};

// Sizes of the kernel's tables, in entries.
struct TableSizes {
  std::uint32_t connections = 1'048'576;  // established connections, all rules together
  std::uint32_t clients = 262'144;   // clients with an established connection, all rules together
  std::uint32_t half_open = 65'536;  // clients with a half-open connection; the oldest give way
};

// A whole, valid configuration file. Immutable once parsed; every default is filled in.
struct Config {
  std::vector<Rule> rules;  // in file order; at most kMaxRules
  TableSizes tables;
  std::optional<std::string> metrics_listen = "127.0.0.1:9469";  // none: `metrics: { listen: off }`
  std::string control_socket = "/run/headgate/control.sock";     // absolute path, < 108 bytes
  std::string cgroup = "auto";  // "auto" or an absolute path of a cgroup2 directory
  std::string netns = "self";   // "self" or an absolute path such as /run/netns/NAME
};
inline constexpr std::size_t kMaxRules = 1023;

}  // namespace headgate::config
