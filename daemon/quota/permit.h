// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/config/quota.h"
#include "daemon/quota/account.h"

namespace headgate::quota {

// How the request went that a permit was for; adaptive limits learn from it.
struct Outcome {
  std::optional<std::chrono::nanoseconds> latency;  // none: for as long as the permit was held
  bool has_failed = false;
};

// What one request holds of limits of concurrency: a lease of each, given back when this ends. A
// lease that has ended by itself (lease_ttl) or was cleared up is not given back twice. One thread
// at a time.
class Permit {
 public:
  struct Held {
    std::shared_ptr<Account> account;
    std::size_t lease = 0;
    Semaphore::Life life = 0;
    Fingerprint key;
    config::QuotaLimit settings;
    std::uint32_t in_flight = 0;  // when it was taken, itself included
  };

  Permit() = default;
  // `steady_ns`: the clock that `now_ns` is of.
  Permit(std::uint64_t (*steady_ns)(), std::uint64_t now_ns)
      : steady_ns_(steady_ns), begin_ns_(now_ns) {}
  // A request of which nobody says how it went is not learnt from.
  ~Permit() { drop(); }
  Permit(Permit&& other) noexcept
      : held_(std::exchange(other.held_, {})),
        steady_ns_(other.steady_ns_),
        begin_ns_(other.begin_ns_) {}
  Permit& operator=(Permit&& other) noexcept;

  bool holds_anything() const { return !held_.empty(); }
  void add(Held held) { held_.push_back(std::move(held)); }
  void drop();
  // Gives all back, and says how it went.
  void end(const Outcome& outcome);

 private:
  std::vector<Held> held_;
  std::uint64_t (*steady_ns_)() = nullptr;
  std::uint64_t begin_ns_ = 0;
};

}  // namespace headgate::quota
