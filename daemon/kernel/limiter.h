// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "common/ip.h"
#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/kernel/cgroup.h"
#include "daemon/kernel/netns.h"
#include "daemon/policy/policy.h"

struct bpf_program;

namespace headgate::kernel {

// What the kernel counted for one rule, at one moment. Counters are since the rule came.
struct RuleCounts {
  std::uint32_t connections = 0;  // established now
  std::uint32_t clients = 0;      // that hold them
  std::uint32_t half_open = 0;    // handshakes of the current and the previous window
  hg_rule_stats counters{};       // summed over the CPUs

  // Connections that got `action` for `reason`; HG_ACTION_NONE: would have been refused.
  std::uint64_t refused(hg_action action, hg_reason reason) const {
    return counters.refused[action][reason - 1];
  }
};

struct ClientCount {
  policy::RuleId rule = 0;
  IpAddress address;  // cut to the rule's client prefix
  std::uint32_t connections = 0;
  std::uint32_t half_open = 0;
  std::uint32_t refused = 0;  // as long as the client is in map `recent`
  double rate = 0;            // new connections a second, over the last one to two windows
};

struct TableFill {
  std::string name;
  std::uint32_t entries = 0;
  std::uint32_t capacity = 0;
};

struct Counts {
  std::map<policy::RuleId, RuleCounts> rules;
  std::vector<TableFill> tables;
};

struct EventLosses {
  std::uint64_t suppressed = 0;  // by the kernel-side rate limit
  std::uint64_t lost = 0;        // the ring buffer was full
};

// An entry of the kernel's deny list. The clock: CLOCK_BOOTTIME in ns, or HG_FOR_GOOD.
struct Denial {
  Prefix cidr;
  std::uint64_t until_ns = HG_FOR_GOOD;
};

struct Penalised {
  policy::RuleId rule = 0;
  IpAddress address;          // cut to the rule's client prefix
  std::uint64_t left_ns = 0;  // until it ends; 0: it has ended and is only remembered
  std::uint32_t times = 0;
};

// Sockets that refused connections of a reply are steered to; -1: none of that family.
struct ListenerFds {
  int ipv4 = -1;
  int ipv6 = -1;
};

// Which live connections find() returns.
struct LiveFilter {
  std::optional<Prefix> client;
  policy::RuleId rule = HG_NO_RULE;  // HG_NO_RULE: any
  std::uint8_t flags = 0;            // HG_CONNECTION_…, all of them
};

// What a change of the policy has done.
struct Change {
  std::uint64_t generation = 0;
  std::uint64_t rekeyed = 0;  // live connections that are counted elsewhere than before
  // Connections could not be counted anew; until rekey() has, no limit of connections refuses.
  std::optional<Error> rekey_error;
};

// The kernel programs, loaded and attached: enforcement lasts exactly as long as this object.
//
// Thread-safe but for poll_events, find_overshoot and drop_idle_hooks, which belong to one thread.
// A change excludes other changes; readers see the policy before it or after it.
class Limiter {
 public:
  // Loads the programs, writes the policy, attaches the hooks and counts the connections that are
  // already open; a connection is refused only after all of that. On error nothing stays attached.
  // Errors: kPermissionDenied (which capability), kUnsupported, kInternal; the message ends with
  // what the kernel said.
  static Result<Limiter> start(std::shared_ptr<const policy::Policy> policy,
                               const config::Config& config,
                               std::shared_ptr<const NetworkNamespace> netns, const Cgroup& cgroup);
  Limiter(Limiter&&) noexcept;
  Limiter& operator=(Limiter&&) noexcept;
  ~Limiter();

  // Puts another policy in force, whole, at one instant. Where it tells rules or clients apart in
  // another way, live connections are counted anew before this returns. On error the former policy
  // stays in force. Closes nothing.
  Result<Change> change(std::shared_ptr<const policy::Policy> policy);
  // Counts the open connections as the policy in force says. Returns how many it has moved.
  Result<std::uint64_t> rekey();
  // CLOCK_REALTIME less CLOCK_BOOTTIME: entries of the policy's deny list end by the former.
  void set_wall_offset(std::int64_t ns);
  std::shared_ptr<const policy::Policy> policy() const;
  std::uint64_t generation() const;

  // The sockets of reply `number`, before a policy uses it. The kernel forgets them when they
  // close.
  Result<void> set_reply_listeners(std::uint32_t number, const ListenerFds& listeners);

  // In force when these return. deny: entries that are there get the new end; on error some may be
  // in force. `is_any` afterwards: set_any_denied.
  Result<void> deny(const std::vector<Denial>& denials);
  Result<void> stop_denying(const std::vector<Prefix>& cidrs);
  void set_any_denied(bool is_any);

  Result<std::vector<Penalised>> penalties() const;
  // Returns how many it has ended. They are forgotten, too.
  Result<std::uint32_t> end_penalties(const std::vector<Prefix>& clients);

  Result<Counts> counts() const;
  // Every client that holds a connection, established or half-open, or has been refused or opened
  // one lately. In no order.
  Result<std::vector<ClientCount>> clients() const;
  Result<EventLosses> losses() const;

  // What the kernel's own judge says about a SYN from `client` to `server`:`port`, now.
  Result<hg_explanation> explain(const IpAddress& client, const IpAddress& server,
                                 std::uint16_t port) const;
  // The counted connections that are open now. In no order.
  Result<std::vector<hg_live>> find(const LiveFilter& filter) const;

  // Readable when there are events.
  int event_fd() const;
  // Hands every waiting event to `handle`. Does not block.
  Result<void> poll_events(const std::function<void(const hg_event&)>& handle);
  // Live connections beyond a limit, as overshoot events: for when their own events were lost.
  Result<std::vector<hg_event>> find_overshoot();

  // Detaches the hook that only adopted connections need, once none is left. Call it now and then;
  // it belongs to the thread of poll_events.
  void drop_idle_hooks();

 private:
  struct Kernel;
  explicit Limiter(std::unique_ptr<Kernel> kernel);
  static void size_tables(const config::TableSizes& sizes, Kernel& kernel);
  static Result<void> prepare(Kernel& kernel, std::shared_ptr<const policy::Policy> policy,
                              std::uint32_t max_replies);
  Result<void> attach(const Cgroup& cgroup);
  static Result<void> hook_adopted(Kernel& kernel);
  Result<void> run_on(const bpf_program* program, std::vector<hg_socket>& sockets) const;
  Result<void> forget_the_dead(std::vector<hg_socket> counted);
  Result<void> forget_rules(const std::set<policy::RuleId>& ids);
  std::unique_ptr<Kernel> kernel_;
};

}  // namespace headgate::kernel
