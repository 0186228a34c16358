// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

namespace headgate::quota {

// What was seen of something that is counted, in units a second.
struct ObservedRate {
  double per_second = 0;        // O; infinite if what was recorded adds up to that
  std::uint64_t window_ns = 0;  // W: the time that O is the mean of; at least 10 s, less than 12 s
};

// How much of something there is in a second: the mean over about ten samples of a second each. The
// arithmetic is that of Kafka's quotas (KIP-13, KIP-124; SampledStat.java and Rate.java there).
//
// A sample is what was recorded in at least `kSampleNs` from its first event on; one that has had
// no event for `kSamples` times that is forgotten. Whoever has just come counts as having done
// nothing in the samples that are missing, so that the first burst is no violation.
//
// Unlike there, observing changes nothing.
//
// Time is steady nanoseconds since any start. A time that is a little earlier than the last one
// counts as the last one; one that is earlier by all that is remembered is that of another clock,
// and all is forgotten.
//
// Thread safety: none of its own. Holds no memory and no pointers: it may be copied as bytes, and
// all bytes zero is one that has recorded nothing.
class SampledRate {
 public:
  static constexpr std::uint64_t kSampleNs = 1'000'000'000;  // w
  static constexpr std::uint32_t kSamples = 11;              // n: the current one and ten before
  static constexpr std::uint64_t kMemoryNs = kSamples * kSampleNs;

  // `amount` in units; what is negative or no number is ignored.
  void record(double amount, std::uint64_t now_ns);

  ObservedRate observe(std::uint64_t now_ns) const;

  // Nothing that was recorded counts any more: this one may be thrown away.
  bool is_idle(std::uint64_t now_ns) const;

 private:
  struct Sample {
    std::uint64_t start_ns;
    std::uint64_t last_event_ns;
    double sum;
  };

  const Sample& current() const { return samples_[current_]; }
  bool is_another_clock(std::uint64_t now_ns) const;
  std::uint64_t not_before_last_event(std::uint64_t now_ns) const;
  void begin_sample(std::uint64_t now_ns);

  // One more than counts: the oldest began before the time that is looked at, and ends within it.
  std::array<Sample, kSamples + 1> samples_{};
  std::uint32_t current_ = 0;
  std::uint32_t used_ = 0;  // samples_[0 .. used_) have been begun
};
static_assert(std::is_trivially_copyable_v<SampledRate>);

}  // namespace headgate::quota
