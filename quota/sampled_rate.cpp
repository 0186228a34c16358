// SPDX-License-Identifier: Apache-2.0
#include "quota/sampled_rate.h"

#include <algorithm>
#include <cmath>

namespace headgate::quota {
namespace {

constexpr double kNsInSecond = 1e9;

// Full samples that W has at least. Because there are some, W is never near zero.
constexpr std::uint64_t kFullSamples = SampledRate::kSamples - 1;
static_assert(kFullSamples > 0);

std::uint64_t window_since(std::uint64_t oldest_start_ns, std::uint64_t now_ns) {
  const std::uint64_t elapsed_ns = now_ns - oldest_start_ns;
  const std::uint64_t full = elapsed_ns / SampledRate::kSampleNs;
  if (full >= kFullSamples) return elapsed_ns;
  return elapsed_ns + (kFullSamples - full) * SampledRate::kSampleNs;
}

}  // namespace

bool SampledRate::is_another_clock(std::uint64_t now_ns) const {
  return now_ns < current().last_event_ns && current().last_event_ns - now_ns >= kMemoryNs;
}

std::uint64_t SampledRate::not_before_last_event(std::uint64_t now_ns) const {
  return std::max(now_ns, current().last_event_ns);
}

void SampledRate::begin_sample(std::uint64_t now_ns) {
  if (used_ > 0) current_ = (current_ + 1) % (kSamples + 1);
  used_ = std::max(used_, current_ + 1);
  samples_[current_] = Sample{now_ns, now_ns, 0};
}

void SampledRate::record(double amount, std::uint64_t now_ns) {
  if (!(amount >= 0)) return;
  if (is_another_clock(now_ns)) *this = SampledRate{};
  now_ns = not_before_last_event(now_ns);
  if (used_ == 0 || now_ns - current().start_ns >= kSampleNs) begin_sample(now_ns);
  Sample& sample = samples_[current_];
  sample.sum += amount;
  sample.last_event_ns = now_ns;
}

ObservedRate SampledRate::observe(std::uint64_t now_ns) const {
  if (is_idle(now_ns)) return {0, window_since(now_ns, now_ns)};
  now_ns = not_before_last_event(now_ns);
  double sum = 0;
  std::uint64_t oldest_start_ns = now_ns;
  for (std::uint32_t i = 0; i < used_; ++i) {
    const Sample& sample = samples_[i];
    if (now_ns - sample.last_event_ns >= kMemoryNs) continue;
    sum += sample.sum;
    oldest_start_ns = std::min(oldest_start_ns, sample.start_ns);
  }
  const std::uint64_t window_ns = window_since(oldest_start_ns, now_ns);
  return {sum * kNsInSecond / static_cast<double>(window_ns), window_ns};
}

bool SampledRate::is_idle(std::uint64_t now_ns) const {
  return used_ == 0 || is_another_clock(now_ns) ||
         not_before_last_event(now_ns) - current().last_event_ns >= kMemoryNs;
}

}  // namespace headgate::quota
