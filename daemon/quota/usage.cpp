// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/usage.h"

#include <random>
#include <utility>

#include "quota/key.h"
#include "quota/throttle.h"

namespace headgate::quota {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t index(UsageKind kind) {
  return static_cast<std::size_t>(kind);
}

Party party_of(config::ClientQuota::Whom whom) {
  switch (whom) {
    case config::ClientQuota::Whom::kNobody:
      break;
    case config::ClientQuota::Whom::kDefault:
      return Party::kDefault;
    case config::ClientQuota::Whom::kOne:
      return Party::kNamed;
  }
  return Party::kAny;
}

milliseconds longest_throttle(UsageKind kind) {
  return kind == UsageKind::kBytes ? kNoThrottleCap : kLongestThrottle;
}

}  // namespace

Usage::Usage(std::size_t most)
    : most_(most), seed_(std::uint64_t{std::random_device{}()} << 32 | std::random_device{}()) {}

Usage::Name Usage::name_of(UsageKind kind, const Requester& bucket,
                           std::string_view address) const {
  KeyHash hash(seed_, index(kind));
  for (const auto& part : {bucket.user, bucket.client}) {
    hash.add(part ? "named" : "any");
    hash.add(part.value_or(""));
  }
  hash.add(address);
  const Fingerprint name = hash.finish();
  return {name.high, name.low};
}

void Usage::put_in_force(const std::vector<config::ClientQuota>& quotas) {
  Quotas<double> next[kUsageKinds];
  for (const config::ClientQuota& one : quotas) {
    const Subject subject{party_of(one.user), party_of(one.client)};
    const auto add = [&](UsageKind kind, const std::optional<double>& quota) {
      if (quota) next[index(kind)].insert(subject, one.user_name, one.client_name, *quota);
    };
    add(UsageKind::kTime, one.time_percent);
    add(UsageKind::kBytes, one.bytes_per_second);
    add(UsageKind::kConnections, one.connections_per_second);
  }
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < kUsageKinds; ++i) quotas_[i] = std::move(next[i]);
}

Usage::Bucket& Usage::bucket(const Name& name) {
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
    return buckets_.front();
  }
  if (buckets_.size() >= most_) {
    by_name_.erase(buckets_.back().name);
    buckets_.pop_back();
  }
  buckets_.push_front({name, {}, 0});
  by_name_.emplace(name, buckets_.begin());
  return buckets_.front();
}

// The caller holds the lock.
void Usage::hold(UsageKind kind, double amount, const UsageReport& report, std::uint64_t now_ns,
                 Throttle& longest) {
  const auto match = quotas_[index(kind)].find(report.who);
  if (!match) return;
  // New connections are counted for each address by itself (KIP-612).
  const bool is_by_address = kind == UsageKind::kConnections;
  Bucket& used =
      bucket(name_of(kind, match->bucket, is_by_address ? report.address : std::string_view()));
  const bool was_silent = now_ns < used.silent_until_ns;
  milliseconds wait{0};
  double observed = 0;
  if (amount > 0) {
    used.rate.record(amount, now_ns);
    const ObservedRate rate = used.rate.observe(now_ns);
    observed = rate.per_second;
    if (const auto throttle = throttle_time(rate, match->quota, longest_throttle(kind))) {
      wait = *throttle;
      totals_[index(kind)].throttled += wait;
      used.silent_until_ns =
          std::max(used.silent_until_ns,
                   now_ns + static_cast<std::uint64_t>(std::chrono::nanoseconds(wait).count()));
    }
    longest.was_ignored = longest.was_ignored || was_silent;
  } else if (was_silent) {
    constexpr std::uint64_t kNsInMs = 1'000'000;
    observed = used.rate.observe(now_ns).per_second;
    wait = milliseconds((used.silent_until_ns - now_ns + kNsInMs - 1) / kNsInMs);
  }
  if (wait <= longest.time) return;
  longest.time = wait;
  longest.kind = kind;
  longest.observed = observed;
  longest.quota = match->quota;
}

Throttle Usage::report(const UsageReport& report, std::uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  const double seconds = std::chrono::duration<double>(report.time).count();
  const auto bytes = static_cast<double>(report.bytes);
  const double connections = report.connections;
  Throttle longest;
  if (report.is_exempt) {
    totals_[index(UsageKind::kTime)].exempt += seconds;
    totals_[index(UsageKind::kBytes)].exempt += bytes;
    totals_[index(UsageKind::kConnections)].exempt += connections;
    return longest;
  }
  hold(UsageKind::kTime, time_share_percent(report.time), report, now_ns, longest);
  hold(UsageKind::kBytes, bytes, report, now_ns, longest);
  hold(UsageKind::kConnections, connections, report, now_ns, longest);
  return longest;
}

Usage::Totals Usage::totals(UsageKind kind) const {
  const std::lock_guard lock(mutex_);
  return totals_[index(kind)];
}

std::size_t Usage::buckets() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

}  // namespace headgate::quota
