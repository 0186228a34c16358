// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "common/ip.h"
#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/kernel/cgroup.h"
#include "daemon/kernel/netns.h"
#include "daemon/policy/policy.h"

namespace headgate::kernel {

// What the kernel counted for one rule, at one moment. Counters are since start().
struct RuleCounts {
  std::uint32_t connections = 0;  // established now
  std::uint32_t clients = 0;      // that hold them
  std::uint32_t half_open = 0;    // handshakes of the current and the previous window
  hg_rule_stats counters{};       // summed over the CPUs
};

struct ClientCount {
  policy::RuleId rule = 0;
  IpAddress address;  // cut to the rule's client prefix
  std::uint32_t connections = 0;
  std::uint32_t half_open = 0;
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

// The kernel programs, loaded and attached: enforcement lasts exactly as long as this object.
//
// Thread safety: the reading functions (counts, clients, losses) may be called from any
// thread. poll_events and find_overshoot belong to one thread.
class Limiter {
 public:
  // Loads the programs, writes the policy, attaches the hooks and counts the connections that are
  // already open; a connection is refused only after all of that. On error nothing stays attached.
  // Errors: kPermissionDenied (which capability), kUnsupported, kInternal; the message ends with
  // what the kernel said.
  static Result<Limiter> start(const policy::Policy& policy, const config::TableSizes& tables,
                               std::shared_ptr<const NetworkNamespace> netns, const Cgroup& cgroup);
  Limiter(Limiter&&) noexcept;
  Limiter& operator=(Limiter&&) noexcept;
  ~Limiter();

  Result<Counts> counts() const;
  // Every client that holds a connection, established or half-open. In no order.
  Result<std::vector<ClientCount>> clients() const;
  Result<EventLosses> losses() const;

  // Readable when there are events.
  int event_fd() const;
  // Hands every waiting event to `handle`. Does not block.
  Result<void> poll_events(const std::function<void(const hg_event&)>& handle);
  // Live connections beyond a limit, as overshoot events: for when their own events were lost.
  Result<std::vector<hg_event>> find_overshoot();

  // Detaches the hook that only connections older than this object need, once none is left. Call
  // it now and then; it belongs to the thread of poll_events.
  void drop_idle_hooks();

 private:
  struct Kernel;
  explicit Limiter(std::unique_ptr<Kernel> kernel);
  static void size_tables(const config::TableSizes& sizes, Kernel& kernel);
  std::unique_ptr<Kernel> kernel_;
};

}  // namespace headgate::kernel
