// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "headgate/client.h"

namespace headgate::client {

enum class AdaptiveAlgorithm : std::uint8_t {
  kAuto,       // Apache bRPC's: the rate of answers times the latency without a queue
  kGradient2,  // Netflix': follows how the latency changes
};

struct AdaptiveLimitOptions {
  AdaptiveAlgorithm algorithm = AdaptiveAlgorithm::kAuto;
  // The limit stays between these. The floor is what is served at once: below it chance bursts are
  // refused. The ceiling is what may wait and is still answered before callers give up, about twice
  // the floor: under an overload that does not end both algorithms drift up to it.
  std::optional<std::uint32_t> floor = std::nullopt;    // none: 9 of kAuto, 20 of kGradient2
  std::optional<std::uint32_t> ceiling = std::nullopt;  // none: 1000 of kAuto, 200 of kGradient2
};

// How many requests at once this process can take, found out from how long they take. The limits
// `auto` and `gradient2` of headgated are for what several processes share; this one needs no
// daemon.
//
//   if (auto slot = limit.try_acquire()) {
//     const bool is_good = serve();
//     slot.end({.has_failed = !is_good});
//   } else {
//     refuse();
//   }
//
// kAuto learns nothing below a hundred requests a second, and kGradient2 grows by less than one a
// second.
//
// Thread-safe: taking a slot is lock-free, its end takes a lock for some nanoseconds.
class AdaptiveLimit {
 public:
  // A request that was admitted, or false. When this ends, its place is free. One thread at a time;
  // it must not outlive its limit.
  class [[nodiscard]] Slot {
   public:
    Slot(Slot&& other) noexcept
        : limit_(std::exchange(other.limit_, nullptr)),
          begin_(other.begin_),
          in_flight_(other.in_flight_) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (limit_ != nullptr) std::exchange(limit_, nullptr)->release();
    }

    // Stays true after the request has ended.
    explicit operator bool() const noexcept { return in_flight_ != 0; }

    // Frees the place and says how the request went. Without this, the limit learns nothing from
    // it.
    void end(const Outcome& outcome = {}) noexcept {
      if (limit_ != nullptr) std::exchange(limit_, nullptr)->finish(*this, outcome);
    }

   private:
    friend class AdaptiveLimit;
    Slot(AdaptiveLimit* limit, std::uint32_t in_flight)
        : limit_(limit), begin_(std::chrono::steady_clock::now()), in_flight_(in_flight) {}

    AdaptiveLimit* limit_;
    std::chrono::steady_clock::time_point begin_;
    std::uint32_t in_flight_;  // when it was admitted, itself included; 0: it was not
  };

  // Throws std::invalid_argument if there is no algorithm of that number, or unless
  // 1 <= floor <= ceiling. A bound that is left out gives way to the other.
  explicit AdaptiveLimit(const AdaptiveLimitOptions& options = {});
  ~AdaptiveLimit();
  AdaptiveLimit(const AdaptiveLimit&) = delete;
  AdaptiveLimit& operator=(const AdaptiveLimit&) = delete;

  // False: as many as the limit are in flight.
  Slot try_acquire() noexcept;

  std::uint32_t limit() const noexcept;
  std::uint32_t in_flight() const noexcept;

 private:
  void release() noexcept;
  void finish(const Slot& slot, const Outcome& outcome) noexcept;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::client
