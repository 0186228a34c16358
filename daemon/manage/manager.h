// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/config/difference.h"
#include "daemon/config/overlay.h"
#include "daemon/observe/event_hub.h"
#include "daemon/observe/snapshot.h"
#include "daemon/quota/engine.h"

namespace headgate::manage {

// What a reload, a `set` or an `unset` has done.
struct ReloadReport {
  std::uint64_t generation = 0;  // of the policy in force now
  std::vector<config::Change> changes;
  std::uint64_t rekeyed = 0;  // live connections that are counted elsewhere than before
  std::chrono::microseconds took{0};
  std::vector<std::string> warnings;  // what is in force otherwise than it says: a sentence each
};

struct DenyEntry {
  Prefix cidr;
  std::string reason;
  std::optional<std::chrono::system_clock::time_point> until;  // none: for good
  bool is_hard = false;  // packets of established connections are dropped, too
};

// One line of `deny list`.
struct DenyListed {
  DenyEntry entry;
  enum class Source { kConfig, kOperator, kPenalty } source = Source::kOperator;
  std::string rule;  // of a penalty; empty: every rule
};

struct DenyReport {
  std::uint32_t added = 0;
  std::uint32_t replaced = 0;  // were on the list; now with the new reason, expiry and hardness
  std::uint32_t removed = 0;
  std::uint32_t unknown = 0;  // to be removed, but not on the list
  std::uint64_t evicted = 0;  // connections closed, with `evict`
};

// A counter that says something else than the open sockets.
struct Drift {
  std::string netns;  // as the configuration names it
  std::string rule;
  std::string client;  // "192.0.2.7", "2001:db8::/64"; empty: the total of the rule
  std::uint32_t counted = 0;
  std::uint32_t live = 0;  // open connections that the policy counts there
};
struct VerifyReport {
  std::vector<Drift> drift;       // as it was found; sorted by netns, rule, client
  std::uint64_t connections = 0;  // that are open and counted
  std::uint64_t clients = 0;      // that hold them
  bool is_repaired = false;       // a second look after the repair found none
};

struct EvictReport {
  std::uint64_t closed = 0;
  std::uint64_t gone = 0;  // closed by themselves meanwhile
};

// One level of a decision: what is counted against what.
struct Bucket {
  double rate_per_second = 0;
  std::uint32_t burst = 0;
  double tokens = 0;                       // now; 0..burst
  std::chrono::nanoseconds until_next{0};  // 0: a token is there
};
struct Level {
  std::string who;  // "192.0.2.7", "192.0.2.0/24"; empty for the total
  std::uint32_t connections = 0;
  std::uint32_t half_open = 0;  // as far as the limit counts them
  std::optional<std::uint32_t> limit;
  std::optional<Bucket> bucket;
};

// The verdict that a SYN of a client would get now, and what it stands on.
struct Explanation {
  std::string rule;
  std::uint64_t generation = 0;
  std::string client;                        // the address asked about
  std::optional<std::string> overridden_by;  // the prefix of the override that applies
  std::optional<std::string> exempt_by;      // "clients.exempt" or "overrides"
  Level per_client;
  Level per_network;
  Level total;
  std::uint32_t reserve = 0;
  std::optional<DenyListed> deny;  // the entry that applies, also if exempt
  std::optional<DenyListed> penalty;
  std::uint32_t penalty_times = 0;  // how often this client has been penalised
  std::string mode;                 // "enforce", "monitor"
  bool is_admitted = false;         // what a SYN would get
  std::string reason;               // label of enum hg_reason, "none" if every limit has room
  std::string action;               // what a refused client gets: "reset", "drop", "reply"
};

struct Target {
  std::string rule;                   // either this,
  std::optional<std::uint16_t> port;  // or the rule found at this local port,
  std::optional<IpAddress> server;    // at this local address (none: the loopback address)
  std::string netns;                  // as the configuration names it; empty: the first
};

struct ReloadStatus {
  std::uint64_t generation = 0;
  bool was_good = true;                        // the last reload
  std::chrono::system_clock::time_point time;  // of the last reload, good or bad; at first: start
  std::string error;                           // of the last reload, if it was bad
};

// The one place that changes what is enforced. Thread-safe: changes are made one after another;
// readers are never blocked by a change for longer than it takes to copy a pointer.
class Manager {
 public:
  virtual ~Manager() = default;

  // Reads the configuration and its set file again and puts them in force. Settings made without
  // `persist` are dropped. On error nothing changes; the message says where.
  virtual Result<ReloadReport> reload() = 0;
  // Changes one value of a rule. With `persist` it is written to the set file first.
  virtual Result<ReloadReport> set(const config::Setting& setting, bool persist) = 0;
  // Takes a setting back, so that the configuration's value holds again. kNotFound: not set.
  virtual Result<ReloadReport> unset(const std::string& rule, const std::string& key,
                                     bool persist) = 0;
  // In what the policy in force differs from the configuration file as it is on the disk now, and
  // the settings that are in force.
  struct Difference {
    std::vector<config::Change> changes;
    std::vector<config::Setting> persistent;
    std::vector<config::Setting> transient;
  };
  virtual Result<Difference> diff() const = 0;

  // In force in the kernel when these return. All entries or none.
  virtual Result<DenyReport> deny_add(const std::vector<DenyEntry>& entries, bool evict) = 0;
  // Also ends penalties of the addresses within. Entries of the configuration: kInvalidArgument.
  virtual Result<DenyReport> deny_remove(const std::vector<Prefix>& cidrs) = 0;
  virtual Result<std::vector<DenyListed>> deny_list() const = 0;

  // Closes connections of clients within `cidr` with RST: all, or those beyond a limit, the newest
  // first. `rule` empty: of every rule.
  virtual Result<EvictReport> evict(const Prefix& cidr, const std::string& rule,
                                    bool only_excess) = 0;

  // Compares the counters with the open sockets. `repair`: makes them agree.
  virtual Result<VerifyReport> verify(bool repair) = 0;

  // kNotFound: no such rule or namespace, or no rule covers that port (the message says so).
  virtual Result<Explanation> explain(const IpAddress& client, const Target& target) const = 0;

  virtual Result<observe::Snapshot> snapshot() const = 0;
  virtual Result<std::vector<observe::ClientSnapshot>> clients(
      const observe::ClientQuery& query) const = 0;
  virtual ReloadStatus reload_status() const = 0;
  // The authority on request quotas. Any thread.
  virtual quota::Engine& quotas() = 0;
  virtual observe::EventHub& events() = 0;
};

}  // namespace headgate::manage
