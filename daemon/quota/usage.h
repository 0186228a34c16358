// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "daemon/config/quota.h"
#include "quota/precedence.h"
#include "quota/sampled_rate.h"

namespace headgate::quota {

// What a service says after it has served a client. All zero only asks.
struct UsageReport {
  Requester who;                     // a name is never empty
  std::string_view address;          // of the client, for new connections; may be empty
  std::chrono::nanoseconds time{0};  // of processing; >= 0
  std::uint64_t bytes = 0;           // in either direction
  std::uint32_t connections = 0;     // that it has made
  bool is_exempt = false;            // counted in a metric of its own, never throttled
};

enum class UsageKind : std::uint8_t { kTime, kBytes, kConnections };
inline constexpr std::size_t kUsageKinds = 3;

// How long the client is to send nothing. Telling it, or delaying it, is the service's duty
// (KIP-219).
struct Throttle {
  std::chrono::milliseconds time{0};  // the longest of all kinds
  UsageKind kind = UsageKind::kTime;  // that asks for it
  double observed = 0;  // of that kind: per cent of a thread's time, bytes or connections a second
  double quota = 0;     // that it exceeds; 0: none
  // It was told before to be silent until now, or still longer, and has used something meanwhile.
  bool was_ignored = false;
};

// The quotas of users and clients of one domain, and what they have used. What has been used stays
// over a reload. Thread-safe.
class Usage {
 public:
  // `most`: buckets that are remembered; the one that was used the longest time ago gives way.
  explicit Usage(std::size_t most);

  void put_in_force(const std::vector<config::ClientQuota>& quotas);
  Throttle report(const UsageReport& report, std::uint64_t now_ns);

  // Monotonic, by kind: the sum of the throttles, and what was exempt.
  struct Totals {
    std::chrono::nanoseconds throttled{0};
    double exempt = 0;  // seconds, bytes, connections
  };
  Totals totals(UsageKind kind) const;
  std::size_t buckets() const;

 private:
  // What tells buckets apart: a hash of kind, names and address, which may be of any length.
  using Name = std::pair<std::uint64_t, std::uint64_t>;
  struct Bucket {
    Name name;
    SampledRate rate;
    std::uint64_t silent_until_ns = 0;
  };
  Name name_of(UsageKind kind, const Requester& bucket, std::string_view address) const;
  Bucket& bucket(const Name& name);
  void hold(UsageKind kind, double amount, const UsageReport& report, std::uint64_t now_ns,
            Throttle& longest);

  mutable std::mutex mutex_;
  const std::size_t most_;
  const std::uint64_t seed_;
  Quotas<double> quotas_[kUsageKinds];
  Totals totals_[kUsageKinds];
  std::list<Bucket> buckets_;  // the latest first
  std::map<Name, std::list<Bucket>::iterator> by_name_;
};

}  // namespace headgate::quota
