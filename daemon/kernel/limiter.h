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
#include "daemon/kernel/front_program.h"
#include "daemon/kernel/listener_fds.h"
#include "daemon/kernel/live.h"
#include "daemon/kernel/netns.h"
#include "daemon/kernel/pin_directory.h"
#include "daemon/policy/policy.h"

struct bpf_program;

namespace headgate::kernel {

struct LimitedNamespace;
struct ListeningKey;

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
  std::uint32_t netns = 0;  // number of the namespace: see Limiter::netns_name
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
  std::string reason;    // kept for the next daemon
  bool is_hard = false;  // packets of established connections are dropped, too
};

struct Penalised {
  policy::RuleId rule = 0;
  IpAddress address;          // cut to the rule's client prefix
  std::uint64_t left_ns = 0;  // until it ends; 0: it has ended and is only remembered
  std::uint32_t times = 0;
};

// A namespace, and what people call it.
struct NamedNamespace {
  std::string name;
  std::shared_ptr<const NetworkNamespace> netns;
  bool is_optional = false;  // start() does without it if it cannot be limited
};

// A group whose sockets' ports a rule covers.
struct GroupCgroup {
  policy::GroupId group = 0;
  std::string path;  // of the cgroup2 directory, as it is now
};

// A counter that says something else than the open sockets, for as long as it was looked at.
struct CountDrift {
  hg_client_key key{};  // level HG_LEVEL_TOTAL: the total of the rule
  std::uint32_t counted = 0;
  std::uint32_t live = 0;
};
struct Comparison {
  std::vector<CountDrift> drift;
  std::uint64_t connections = 0;  // that are open and counted
  std::uint64_t clients = 0;      // that hold them
};

// What a Limiter is started with, and cannot change.
struct LimiterSettings {
  config::TableSizes tables;
  std::uint32_t max_replies = 0;
  bool shares_counts = false;  // between namespaces
  std::shared_ptr<const Cgroup> cgroup;
};

// Compiles the policy to begin with: numbers of the former one stay.
using Compile =
    std::function<Result<std::shared_ptr<const policy::Policy>>(const policy::Numbers& former)>;

// Where the groups of a policy are now.
using FindGroups = std::function<std::vector<GroupCgroup>(const policy::Policy&)>;

// Which live connections find() returns.
struct LiveFilter {
  std::optional<Prefix> client;
  policy::RuleId rule = HG_NO_RULE;  // HG_NO_RULE: any
  std::optional<std::uint64_t> netns_cookie;
  std::uint8_t flags = 0;  // HG_CONNECTION_…, all of them
};

// Frames that reach a limited namespace by an interface: with these VLAN tags, 0: none.
struct FrontLink {
  std::uint16_t outer_vlan = 0;
  std::uint16_t inner_vlan = 0;
  hg_link link{};
};

// An interface that the front line is on, or has been on until its namespace or itself went.
struct Front {
  std::uint32_t number = 0;  // below HG_MAX_INTERFACES
  std::uint64_t netns_cookie = 0;
  std::uint32_t index = 0;  // in its namespace
};

// What a change of the policy has done.
struct Change {
  std::uint64_t generation = 0;
  std::uint64_t rekeyed = 0;  // live connections that are counted elsewhere than before
  // Connections could not be counted anew; until rekey() has, no limit of connections refuses.
  std::optional<Error> rekey_error;
};

// The kernel programs, loaded, attached and pinned: what they enforce outlives this object.
//
// Thread-safe but for poll_events, find_overshoot and drop_idle_hooks, which belong to one thread.
// A change excludes other changes; readers see the policy before it or after it.
class Limiter {
 public:
  // Takes over what is pinned, if this build can use those maps and they are as the settings say:
  // each program is replaced in its place, counts go on, and then the policy changes as by
  // change(). Otherwise makes everything anew beside it: writes the policy, attaches the hooks,
  // counts the connections that are open, and when all of that is in force takes its place.
  // On error what was in force stays in force; of namespaces that are limited no more, those whose
  // places others need have gone. An optional one that cannot be limited is left out: see
  // namespaces(). Errors: kPermissionDenied (which capability), kUnsupported, kInternal; the
  // message ends with what the kernel said.
  static Result<Limiter> start(PinDirectory pins, const LimiterSettings& settings,
                               const std::vector<NamedNamespace>& namespaces,
                               const Compile& compile, const FindGroups& find_groups);
  // Was nothing in force before this Limiter?
  bool is_first() const;
  Limiter(Limiter&&) noexcept;
  Limiter& operator=(Limiter&&) noexcept;
  ~Limiter();

  // What start() has done, in one line for the log.
  const std::string& how_started() const;
  // Removes every pin. The limits end with this object then.
  Result<std::size_t> detach();

  // Limits one namespace more, or one less: its connections stay open. Adding one that is limited
  // already does nothing.
  Result<void> add_namespace(const NamedNamespace& added);
  void remove_namespace(std::uint64_t cookie);
  std::vector<NamedNamespace> namespaces() const;
  // What the namespace with this number is called; empty if counts are shared.
  std::string netns_name(std::uint32_t number) const;
  // The cookie of a namespace by its name.
  std::optional<std::uint64_t> find_netns(const std::string& name) const;

  // From now on what the sockets of these groups listen on belongs to them, and nothing else does.
  // Where that is not as it was, connections are counted anew before this returns. Call it again
  // and again: the groups' directories may be other ones by then.
  Result<void> follow_groups(const std::vector<GroupCgroup>& groups);

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

  // The sockets for `on_limit: drop`, and those of reply `number`, before a policy uses them. The
  // kernel forgets them when they close; without them it resets.
  Result<void> set_drop_listeners(std::uint64_t netns_cookie, const ListenerFds& listeners);
  Result<void> set_reply_listeners(std::uint64_t netns_cookie, std::uint32_t number,
                                   const ListenerFds& listeners);

  // In force when these return. deny: entries that are there get the new end; on error some may be
  // in force. `is_any` afterwards: set_any_denied.
  Result<void> deny(const std::vector<Denial>& denials);
  Result<void> stop_denying(const std::vector<Prefix>& cidrs);
  void set_any_denied(bool is_any, bool is_any_hard = false);
  // Whether the front line answers SYNs with cookies while a rule is flooded with them. Off in new
  // maps.
  void set_syn_cookies(bool is_on);
  // What deny() has put in force, also in an earlier process.
  Result<std::vector<Denial>> denials() const;

  Result<std::vector<Penalised>> penalties() const;
  // Returns how many it has ended. They are forgotten, too.
  Result<std::uint32_t> end_penalties(const std::vector<Prefix>& clients);

  Result<Counts> counts() const;
  // Every client that holds a connection, established or half-open, or has been refused or opened
  // one lately. In no order.
  Result<std::vector<ClientCount>> clients() const;
  Result<EventLosses> losses() const;

  // What the kernel's own judge says about a SYN from `client` to `server`:`port`, now.
  Result<hg_explanation> explain(std::uint64_t netns_cookie, const IpAddress& client,
                                 const IpAddress& server, std::uint16_t port) const;
  // The counted connections that are open now. In no order.
  Result<std::vector<hg_live>> find(const LiveFilter& filter) const;

  // The interfaces that have numbers, also from an earlier process.
  std::vector<Front> fronts() const;
  // The number of an interface: the one that it has, or a new one, whose packets are counted from
  // 0. kUnavailable: HG_MAX_INTERFACES have one.
  Result<std::uint32_t> give_front(std::uint64_t netns_cookie, std::uint32_t index);
  // Takes it back: the front line judges nothing there from now on, if it is still attached.
  Result<void> forget_front(std::uint32_t interface);
  // Takes off what is in other namespaces than these, where they can be found, and forgets it.
  void drop_foreign_fronts(const std::set<std::uint64_t>& netns_cookies);
  // The front line's program for the interface with that number, of a limited namespace, not loaded
  // yet.
  Result<FrontProgram> open_front(std::uint64_t netns_cookie, std::uint32_t interface) const;
  // Whose frames the front line on that interface judges: of these, and of no others.
  Result<void> set_links(std::uint32_t interface, const std::vector<FrontLink>& links);
  // Which addresses are the namespace's own: these, and no others.
  Result<void> set_addresses(std::uint64_t netns_cookie, const std::vector<IpAddress>& addresses);
  // Packets since the interface has that number, of all processors.
  Result<hg_front_stats> front_counts(std::uint32_t interface) const;

  // Destroys the very socket that the event names, with RST. Returns false if it was gone already.
  Result<bool> close(const hg_event& event) const;

  // Compares the counters with the open sockets. Takes a tenth of a second and more where they
  // differ: a difference that does not last is a connection that has just come or gone.
  Result<Comparison> compare() const;
  // Makes the counters agree with the open sockets: forgets entries of sockets that are gone,
  // counts sockets that are not counted, and corrects what differs after that.
  Result<void> repair();

  // Counts connections that found no room in a full table, where there is room by now. Returns how
  // many of those that were counted are counted elsewhere now.
  Result<std::uint64_t> count_rest();

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
  Result<void> open_maps();
  Result<void> take_over(const std::vector<NamedNamespace>& namespaces, const Compile& compile);
  Result<void> build(const std::vector<NamedNamespace>& namespaces, const Compile& compile,
                     const FindGroups& find_groups, const std::optional<std::string>& former);
  std::size_t detach_fronts();
  Result<void> attach_counting();
  Result<void> hook_adopted();
  Result<void> put_adopted();
  hg_totals totals_of_rule(policy::RuleId id) const;
  Result<std::uint64_t> recount();
  Result<std::uint64_t> recount_now();
  Result<std::uint64_t> count_untracked() const;
  Result<std::vector<hg_socket>> list_open() const;
  Result<hg_namespace> give_place(std::uint64_t cookie);
  Result<std::shared_ptr<LimitedNamespace>> open_namespace(const NamedNamespace& wanted);
  Result<void> begin_namespace(const NamedNamespace& added, bool is_new);
  Result<void> attach_gate(const LimitedNamespace& limited);
  bool drop_foreign_namespaces(const std::vector<NamedNamespace>& wanted, bool only_in_the_way);
  Result<void> forget_namespace(std::uint32_t number);
  Result<void> hook_group(const GroupCgroup& wanted);
  Result<void> hook_groups(const std::vector<GroupCgroup>& groups);
  Result<std::map<ListeningKey, hg_listening>> find_listening() const;
  Result<void> sync_listening();
  Result<void> read_counters(
      const std::function<void(const hg_client_key&, std::uint32_t)>& tell) const;
  Result<std::vector<hg_socket>> list_surely(std::vector<hg_socket>& known) const;
  Result<Comparison> compare_now() const;
  Result<void> visit_connections(const std::function<void(const hg_connection&)>& visit) const;
  Result<void> correct_counters();
  Result<std::uint64_t> rekey_now();
  Result<void> forget_entries_of(std::uint32_t number);
  void drop_namespace(std::uint64_t cookie);
  Result<void> forget_stale_entries();
  static Result<void> run_once(const bpf_program* program);
  Result<void> run_on(const bpf_program* program, std::vector<hg_socket>& sockets) const;
  Result<std::vector<hg_socket>> find_closed(const std::vector<hg_socket>& sockets) const;
  Result<void> mark_uncounted(std::vector<hg_socket>& sockets) const;
  Result<void> forget_rules(const std::set<policy::RuleId>& ids);
  Result<void> forget_clients(const std::function<bool(const hg_client_key&)>& is_one);
  std::unique_ptr<Kernel> kernel_;
};

}  // namespace headgate::kernel
