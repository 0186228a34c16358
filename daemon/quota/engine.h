// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "daemon/quota/permit.h"
#include "daemon/quota/policy.h"
#include "daemon/quota/request.h"
#include "quota/attach.h"
#include "quota/judge.h"

namespace headgate::quota {

// What became of one descriptor.
struct Verdict : Ruling {        // is_over: what the caller is told
  const Limit* limit = nullptr;  // of the policy in the decision; null: nothing limits it
  bool would_be_over = false;    // also in shadow mode
};

struct Decision {
  std::shared_ptr<const Policy> policy;  // it was judged by this one, which owns the limits
  std::vector<std::unique_ptr<const Limit>> overrides;  // limits that came with the request
  bool is_over = false;                                 // any of them is
  std::vector<Verdict> verdicts;                        // one for each descriptor, in order
};

// What is known of a key for `headgatectl quota top`.
struct KeyUse {
  std::string rule;   // Limit::name
  std::string label;  // "user=alice"; cut short where it is long
  std::uint64_t hits = 0;
  std::uint64_t refused = 0;
  std::uint32_t in_flight = 0;
};

// The one authority of this host on the quotas of its services: every door asks it. Thread-safe: a
// check takes no lock, and is judged by one policy, the old or the new.
class Engine {
 public:
  // Nanoseconds since the epoch, for windows that are aligned to it; and since some start, never
  // going back, for all else.
  struct Clock {
    std::uint64_t (*wall_ns)();
    std::uint64_t (*steady_ns)();
    static Clock system();
  };
  explicit Engine(Clock clock = Clock::system());
  ~Engine();

  // Makes ready what put_in_force() takes. What has been counted goes along where a limit's
  // identity is the same: its domain, and its name or else its path. Errors: kUnavailable, no
  // memory. One change at a time.
  Result<std::shared_ptr<const Policy>> prepare(const config::Quotas& quotas) const;
  void put_in_force(std::shared_ptr<const Policy> policy);

  // Judges and counts. Errors are kInvalidArgument: no domain, no descriptors, or one without
  // entries or with an empty key; more than kMaxDescriptors or kMaxEntries.
  Result<Decision> check(const Request& request);
  static constexpr std::size_t kMaxDescriptors = 1000;
  static constexpr std::size_t kMaxEntries = 32;  // of one descriptor

  // What check() would say of each descriptor by itself now; counts nothing, whatever the cost.
  Result<Decision> look(const Request& request) const;

  // What limits the descriptors of a request, as of now; what limits its domain where it has none.
  // Counts nothing. Errors as of check(), but there need be no descriptors.
  struct LimitNow {
    const Limit* limit = nullptr;  // null: nothing limits it
    std::uint32_t permits = 0;     // that the descriptor's key is allowed; 0: a rate, or no key
  };
  struct LimitsNow {
    std::shared_ptr<const Policy> policy;  // owns the limits
    bool is_domain_known = false;
    std::vector<LimitNow> limits;  // one for each descriptor, or those of the domain
  };
  Result<LimitsNow> limits(const Request& request) const;

  // Judges and counts, and takes a permit of each limit of concurrency that a descriptor has; all
  // or none, whatever the domain says. The permit is held until `permit` ends, or for `ttl` (none:
  // as the rule says). Errors as of check().
  struct Acquired {
    Decision decision;
    Permit permit;  // holds nothing if the decision is that it is over, or nothing limits it so
  };
  Result<Acquired> acquire(const Request& request,
                           std::optional<std::chrono::milliseconds> ttl = std::nullopt);

  // Counts what a client has used, or asks (all zero), and says how long it is to be silent. Errors
  // are kInvalidArgument: no domain, neither user nor client, an empty or endless name, a negative
  // time.
  Result<Throttle> report(std::string_view domain, const UsageReport& report);

  // What a service says of requests that it has judged by itself, in memory that it shares; of a
  // rule that is gone, or a domain, nothing is noted; nor of counts that nobody can have.
  void note(std::string_view domain, const std::vector<attach::Tally>& tallies);
  void note(std::string_view domain, const std::vector<attach::Sample>& samples);
  void note(std::string_view domain, const std::vector<attach::Refusal>& refusals);

  // What is in force; never null.
  std::shared_ptr<const Policy> policy() const;

  // The keys of a domain that are asked for most, most first.
  std::vector<KeyUse> top(const Domain& domain, std::size_t count) const;
  // The same of those rules alone that have a series for each key.
  std::vector<KeyUse> detailed_keys(const Domain& domain, std::size_t count) const;
  // Permits that are taken, by Limit::name; 0 for limits of concurrency that have none.
  std::map<std::string, std::uint64_t> in_flight(const Domain& domain) const;
  struct KeyCount {
    std::uint64_t keys = 0;
    std::uint64_t evicted = 0;  // since the domain came
    std::uint32_t max_keys = 0;
  };
  static KeyCount keys(const Domain& domain);

  // A client that a rule has refused so often that it is to be denied (`penalty`).
  struct Offence {
    Prefix client;  // an address, or a network that is one client
    std::chrono::milliseconds deny_for{0};
    std::string domain;
    std::string rule;         // Limit::name
    std::uint64_t limit = 0;  // Limit::identity
  };
  // Called by the thread that checks: it must be quick. Set it before the first check.
  void on_offence(std::function<void(const Offence&)> call);
  // It could not be denied: its next offence is its first again.
  void forget(const Offence& offence);

  // About once a second: ends leases whose end has come, and mends what processes that were killed
  // have left. One thread at a time.
  void tick();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headgate::quota
