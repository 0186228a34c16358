// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"
#include "daemon/config/penalty.h"
#include "daemon/config/position.h"
#include "daemon/config/quota.h"

namespace headgate::config {

// How long a prefix is, by family. As `client_prefix`: connections whose source addresses share
// these bits are one client. As `network_prefix`: clients that share these bits are one network;
// never longer than the client's.
struct PrefixLengths {
  std::uint8_t ipv4 = 32;  // 0..32
  std::uint8_t ipv6 = 64;  // 0..128

  friend bool operator==(const PrefixLengths&, const PrefixLengths&) = default;
};

// Is what the limits say done (enforce), or only counted and logged (monitor)?
enum class Mode { kEnforce, kMonitor };

// Which limits count half-open connections (see docs/adr/0002-counting-rules.md).
enum class CountHalfOpen { kClient, kAll, kNone };

// What a refused client sees: a RST, nothing, or an answer in the protocol's own words.
enum class OnLimit { kReset, kDrop, kReply };

// What happens to a new client when the table of clients is full.
enum class OnTableFull { kAdmit, kRefuse };

enum class ReplyKind { kHttp429, kRedis, kMysql, kPostgresql, kSmtp421, kRaw };

struct Reply {
  ReplyKind kind = ReplyKind::kHttp429;
  std::string raw;  // kRaw: the bytes to send, 1..kMaxRawReplyBytes

  friend bool operator==(const Reply&, const Reply&) = default;
};
inline constexpr std::size_t kMaxRawReplyBytes = 1024;

// Settings that a rule takes from `defaults` unless it has its own.
struct RuleSettings {
  PrefixLengths client_prefix{32, 64};
  PrefixLengths network_prefix{24, 48};
  Mode mode = Mode::kEnforce;
  std::chrono::milliseconds handshake_timeout{10'000};  // 100 ms .. 1 h
  CountHalfOpen count_half_open = CountHalfOpen::kClient;
  OnLimit on_limit = OnLimit::kReset;
  std::optional<Reply> reply;  // set if and only if on_limit is kReply
  OnTableFull on_table_full = OnTableFull::kAdmit;
};

// One `listen` entry: local ports first..last (both included, never 0) on some addresses; or, if
// `unit` or `cgroup` is set, whatever TCP ports the sockets of that group listen on.
struct Listen {
  std::optional<Prefix> address;  // none: every local address, IPv4 and IPv6
  std::uint16_t first_port = 0;   // 0 if it is a group
  std::uint16_t last_port = 0;
  bool is_udp = false;  // "443/udp", for QUIC; else TCP
  std::string unit;     // `{ unit: nginx.service }`: a systemd unit, found by the group's name
  std::string cgroup;   // `{ cgroup: system.slice/nginx.service }`: below the cgroup2 mount; see
                        // group.h for both
  Position position;

  bool is_group() const { return !unit.empty() || !cgroup.empty(); }
};

// Limits in connections. 0 refuses all; none is no limit. At most kMaxConnections.
struct ConnectionLimits {
  std::optional<std::uint32_t> per_client;
  std::optional<std::uint32_t> per_network;
  std::optional<std::uint32_t> total;
  std::uint32_t reserve = 0;  // of `total`, for exempt clients only; less than or equal to it
};
inline constexpr std::uint32_t kMaxConnections = 1'000'000'000;

// `count` new connections in each `per`, a token bucket that holds `burst` of them. Between one an
// hour and a million a second.
struct RateLimit {
  std::uint32_t count = 0;           // 1..1'000'000'000
  std::chrono::milliseconds per{0};  // 1 s, 1 min or 1 h
  std::uint32_t burst = 0;           // 1..kMaxBurst; unless given: one second's worth, at least 1

  friend bool operator==(const RateLimit&, const RateLimit&) = default;
};
inline constexpr std::uint32_t kMaxBurst = 1'000'000;

struct NewConnectionLimits {
  std::optional<RateLimit> per_client;
  std::optional<RateLimit> per_network;
  std::optional<RateLimit> total;
};

// A limit that an override sets: a value, or none for the word `unlimited`.
template <typename T>
struct OverrideLimit {
  std::optional<T> value;

  friend bool operator==(const OverrideLimit&, const OverrideLimit&) = default;
};

// Limits of some clients of a rule, in place of the rule's. What is not set is as in the rule. The
// longest prefix wins, and only its override counts.
struct Override {
  std::vector<Prefix> clients;      // at least one
  std::vector<Position> positions;  // of each of them
  bool exempt = false;              // counted, never refused; then nothing else may be set
  std::optional<OverrideLimit<std::uint32_t>> per_client;   // connections.per_client
  std::optional<OverrideLimit<std::uint32_t>> per_network;  // connections.per_network
  std::optional<OverrideLimit<RateLimit>> client_rate;      // new_connections.per_client
  std::optional<OverrideLimit<RateLimit>> network_rate;     // new_connections.per_network
  Position position;
};

struct Rule {
  std::string name;            // unique; [A-Za-z0-9_.-]{1,63}: it becomes a metric label
  std::vector<Listen> listen;  // at least one
  ConnectionLimits connections;
  NewConnectionLimits new_connections;
  std::optional<Penalty> penalty;
  std::vector<Override> overrides;  // no prefix stands in two of them
  RuleSettings settings;
  Position position;
};

// A client, or a network of them, that every rule refuses.
struct Deny {
  Prefix cidr;
  std::string reason;  // at most kMaxReasonBytes of printable text; may be empty
  std::optional<std::chrono::sys_seconds> until;  // none: for good
  Position position;
};
inline constexpr std::size_t kMaxReasonBytes = 200;

struct Exempt {
  Prefix cidr;
  Position position;
};

// What holds in every rule.
struct Clients {
  std::vector<Exempt> exempt;  // counted, never refused, not even when denied; no two alike
  std::vector<Deny> deny;      // no two cidr alike
};

// Sizes of the kernel's tables, in entries.
struct TableSizes {
  std::uint32_t connections = 1'048'576;  // established connections, all rules together
  std::uint32_t clients = 262'144;        // clients and networks with an established connection
  std::uint32_t recent = 65'536;          // clients and networks seen lately; the oldest give way
  std::uint32_t penalties = 65'536;       // clients denied by a penalty; the oldest give way
  std::uint32_t denied = 1'048'576;       // entries of the deny list
  std::uint32_t namespaces = 64;          // network namespaces at once, 1..kMaxNamespaces
};

// What becomes of the limits when the daemon ends.
enum class OnStop { kKeep, kDetach };

// The network namespaces that the rules hold in.
struct Namespaces {
  std::vector<std::string> paths = {"self"};  // "self", or absolute; at least one unless is_all
  bool is_all = false;                        // `netns: all`: every one, also those that come later
  bool share_counts = false;  // `share_across_netns`: one client is one client in all of them

  friend bool operator==(const Namespaces&, const Namespaces&) = default;
};
inline constexpr std::uint32_t kMaxNamespaces = 256;

// How the front line is attached to a network interface: the first of native and generic that
// works, or only that one.
enum class XdpMode { kAuto, kNative, kGeneric };

// An interface, or all that a pattern matches, in each of the network namespaces.
struct XdpInterface {
  std::string name;  // or a pattern as a shell has it: "eth*"
  XdpMode mode = XdpMode::kAuto;
  Position position;
};

// The front line. Of two entries that match an interface the first one holds.
struct Xdp {
  std::vector<XdpInterface> interfaces;  // none: no front line
  bool syn_cookies = false;              // `syn_cookies: auto`: answer with them under a flood
  std::uint32_t priority = 50;  // 0..kMaxXdpPriority: beside other XDP programs the lowest is first
};
inline constexpr std::uint32_t kMaxXdpPriority = 1'000'000;
inline constexpr std::size_t kMaxXdpInterfaces = 64;

// A whole, valid configuration file. Immutable once parsed; every default is filled in.
struct Config {
  std::vector<Rule> rules;  // in file order; at most kMaxRules
  Clients clients;
  TableSizes tables;
  std::optional<std::string> metrics_listen = "127.0.0.1:9469";  // none: `metrics: { listen: off }`
  std::string control_socket = "/run/headgate/control.sock";     // absolute path, < 108 bytes
  std::string cgroup = "auto";  // "auto" or an absolute path of a cgroup2 directory
  Namespaces netns;
  Xdp xdp;
  std::string pin_dir = "/sys/fs/bpf/headgate";  // absolute, < 200 bytes, without dots: bpffs
                                                 // reserves them
  OnStop on_stop = OnStop::kKeep;
  bool watch = false;                // `reload: { watch: on }`: reload when the file changes
  std::uint32_t max_replies = 1024;  // `replies: { at_once: 1024 }`, 1..16384
  Quotas quotas;
};
inline constexpr std::size_t kMaxRules = 500;

}  // namespace headgate::config
