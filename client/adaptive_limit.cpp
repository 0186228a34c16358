// SPDX-License-Identifier: Apache-2.0
#include "headgate/adaptive_limit.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>
#include <variant>

#include "client/seed.h"
#include "client/steady_time.h"
#include "quota/auto_limit.h"
#include "quota/gradient2_limit.h"

namespace headgate::client {
namespace {

using Learner = std::variant<quota::AutoLimit, quota::Gradient2Limit>;

quota::LimitBounds bounds_of(const AdaptiveLimitOptions& options, std::uint32_t floor,
                             std::uint32_t ceiling) {
  if (options.floor) {
    floor = *options.floor;
    ceiling = std::max(ceiling, floor);
  }
  if (options.ceiling) {
    ceiling = *options.ceiling;
    if (!options.floor) floor = std::min(floor, ceiling);
  }
  if (floor == 0 || floor > ceiling) {
    throw std::invalid_argument("an adaptive limit between a floor of " + std::to_string(floor) +
                                " and a ceiling of " + std::to_string(ceiling) +
                                "; 1 <= floor <= ceiling would be right");
  }
  return {floor, ceiling};
}

Learner learner_of(const AdaptiveLimitOptions& options) {
  switch (options.algorithm) {
    case AdaptiveAlgorithm::kAuto:
      return quota::AutoLimit(
          bounds_of(options, quota::AutoLimit::kFloor, quota::AutoLimit::kCeiling), fresh_seed());
    case AdaptiveAlgorithm::kGradient2:
      return quota::Gradient2Limit(
          bounds_of(options, quota::Gradient2Limit::kFloor, quota::Gradient2Limit::kCeiling));
  }
  throw std::invalid_argument("no algorithm of an adaptive limit has that number");
}

}  // namespace

struct AdaptiveLimit::Impl {
  explicit Impl(const AdaptiveLimitOptions& options) : learner(learner_of(options)) {
    limit = learnt();
  }

  std::uint32_t learnt() const {
    return std::visit([](const auto& algorithm) { return algorithm.limit(); }, learner);
  }

  std::atomic<std::uint32_t> limit;  // what the learner has learnt, for those who take no lock
  std::atomic<std::uint32_t> in_flight = 0;
  std::mutex mutex;
  Learner learner;  // under the mutex
};

AdaptiveLimit::AdaptiveLimit(const AdaptiveLimitOptions& options)
    : impl_(std::make_unique<Impl>(options)) {}
AdaptiveLimit::~AdaptiveLimit() = default;

AdaptiveLimit::Slot AdaptiveLimit::try_acquire() noexcept {
  std::uint32_t before = impl_->in_flight.load(std::memory_order_relaxed);
  do {
    if (before >= impl_->limit.load(std::memory_order_relaxed)) return {nullptr, 0};
  } while (!impl_->in_flight.compare_exchange_weak(before, before + 1, std::memory_order_relaxed));
  return {this, before + 1};
}

void AdaptiveLimit::release() noexcept {
  impl_->in_flight.fetch_sub(1, std::memory_order_relaxed);
}

void AdaptiveLimit::finish(const Slot& slot, const Outcome& outcome) noexcept {
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::nanoseconds latency = outcome.latency.value_or(now - slot.begin_);
  release();
  const std::lock_guard lock(impl_->mutex);
  std::visit(
      [&](auto& algorithm) {
        algorithm.add(
            {.now_ns = to_ns(now),
             .latency_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(latency.count(), 0)),
             .in_flight = slot.in_flight_,
             .is_failed = outcome.has_failed});
      },
      impl_->learner);
  impl_->limit.store(impl_->learnt(), std::memory_order_relaxed);
}

std::uint32_t AdaptiveLimit::limit() const noexcept {
  return impl_->limit.load(std::memory_order_relaxed);
}

std::uint32_t AdaptiveLimit::in_flight() const noexcept {
  return impl_->in_flight.load(std::memory_order_relaxed);
}

}  // namespace headgate::client
