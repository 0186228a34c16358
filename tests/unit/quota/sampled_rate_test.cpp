// SPDX-License-Identifier: Apache-2.0
#include "quota/sampled_rate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace headgate::quota {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kSecond = 1000 * kMs;
constexpr std::uint64_t kBoot = 987 * kSecond + 654;  // a clock as the kernel's may be

TEST(SampledRate, WhoHasDoneNothingHasNoRate) {
  const SampledRate rate;
  EXPECT_EQ(rate.observe(kBoot).per_second, 0);
  EXPECT_EQ(rate.observe(kBoot).window_ns, 10 * kSecond);
  EXPECT_TRUE(rate.is_idle(kBoot));
}

TEST(SampledRate, AFirstBurstIsSpreadOverTheSamplesThatAreMissing) {
  SampledRate rate;
  rate.record(100, kBoot);
  EXPECT_DOUBLE_EQ(rate.observe(kBoot).per_second, 10);
  EXPECT_EQ(rate.observe(kBoot).window_ns, 10 * kSecond);

  // The current sample grows from 0 to 1 s: W from 10 to 11 s.
  EXPECT_EQ(rate.observe(kBoot + 250 * kMs).window_ns, 10 * kSecond + 250 * kMs);
  EXPECT_DOUBLE_EQ(rate.observe(kBoot + 250 * kMs).per_second, 100 / 10.25);
  EXPECT_EQ(rate.observe(kBoot + kSecond - 1).window_ns, 11 * kSecond - 1);
  // One full sample: nine are missing.
  EXPECT_EQ(rate.observe(kBoot + kSecond).window_ns, 10 * kSecond);
  EXPECT_EQ(rate.observe(kBoot + 10 * kSecond + 999 * kMs).window_ns, 10 * kSecond + 999 * kMs);
}

TEST(SampledRate, ASampleIsForgottenElevenSecondsAfterItsLastEvent) {
  SampledRate rate;
  rate.record(100, kBoot);
  rate.record(100, kBoot + 999 * kMs);  // of the same sample
  const std::uint64_t end = kBoot + 999 * kMs + 11 * kSecond;
  EXPECT_DOUBLE_EQ(rate.observe(end - 1).per_second,
                   200 / (static_cast<double>(end - 1 - kBoot) / 1e9));
  EXPECT_FALSE(rate.is_idle(end - 1));
  EXPECT_EQ(rate.observe(end).per_second, 0);
  EXPECT_TRUE(rate.is_idle(end));
}

TEST(SampledRate, AnEventAfterExactlyASecondBeginsASample) {
  SampledRate rate;
  rate.record(1, kBoot);
  rate.record(1, kBoot + kSecond - 1);  // keeps the first sample until kBoot + 12 s − 1 ns
  rate.record(4, kBoot + kSecond);
  const ObservedRate both = rate.observe(kBoot + 12 * kSecond - 2);
  EXPECT_EQ(both.window_ns, 12 * kSecond - 2);
  EXPECT_DOUBLE_EQ(both.per_second, 6 / (static_cast<double>(both.window_ns) / 1e9));
  const ObservedRate one = rate.observe(kBoot + 12 * kSecond - 1);
  EXPECT_EQ(one.window_ns, 11 * kSecond - 1);
  EXPECT_DOUBLE_EQ(one.per_second, 4 / (static_cast<double>(one.window_ns) / 1e9));
}

// By hand: 5 units each 100 ms, thus 50 in each sample, and samples that begin at 0 s, 1 s, …, 19
// s. That of 8 s had its last event at 8.9 s, 11 s before the last one of all.
TEST(SampledRate, ASteadyRateIsSeenAsItIs) {
  SampledRate rate;
  for (std::uint64_t at = 0; at < 20 * kSecond; at += 100 * kMs) rate.record(5, kBoot + at);
  const ObservedRate last = rate.observe(kBoot + 20 * kSecond - 100 * kMs);
  EXPECT_EQ(last.window_ns, 11 * kSecond - 100 * kMs);
  EXPECT_DOUBLE_EQ(last.per_second, 11 * 50 / 10.9);
  EXPECT_DOUBLE_EQ(rate.observe(kBoot + 20 * kSecond).per_second, 50);
}

TEST(SampledRate, AfterALongPauseTheFirstBurstIsAFirstBurstAgain) {
  SampledRate rate;
  for (std::uint64_t at = 0; at < 30 * kSecond; at += 10 * kMs) rate.record(1000, kBoot + at);
  const std::uint64_t later = kBoot + 3600 * kSecond;
  EXPECT_EQ(rate.observe(later).per_second, 0);
  rate.record(100, later);
  EXPECT_DOUBLE_EQ(rate.observe(later).per_second, 10);
}

TEST(SampledRate, ATimeALittleEarlierCountsAsTheLast) {
  SampledRate rate;
  rate.record(100, kBoot);
  rate.record(100, kBoot - 10 * kSecond);
  EXPECT_DOUBLE_EQ(rate.observe(kBoot).per_second, 20);
  EXPECT_DOUBLE_EQ(rate.observe(kBoot - 10 * kSecond).per_second, 20);
  EXPECT_EQ(rate.observe(0).per_second, 0);
}

TEST(SampledRate, ATimeFarEarlierIsThatOfAnotherClock) {
  SampledRate rate;
  rate.record(100, std::numeric_limits<std::uint64_t>::max());
  rate.record(30, kBoot);
  EXPECT_DOUBLE_EQ(rate.observe(kBoot).per_second, 3);
}

TEST(SampledRate, WhatIsNoAmountIsIgnored) {
  SampledRate rate;
  rate.record(-1, kBoot);
  rate.record(std::numeric_limits<double>::quiet_NaN(), kBoot);
  rate.record(-std::numeric_limits<double>::infinity(), kBoot);
  EXPECT_TRUE(rate.is_idle(kBoot));
  rate.record(std::numeric_limits<double>::infinity(), kBoot);
  EXPECT_TRUE(std::isinf(rate.observe(kBoot).per_second));
  EXPECT_EQ(rate.observe(kBoot + 11 * kSecond).per_second, 0);
}

// The same in the plainest way: all samples there ever were, in a list.
class Model {
 public:
  void record(double amount, std::int64_t now) {
    if (samples_.empty() || now - samples_.back().start >= 1'000'000'000) {
      samples_.push_back({now, now, 0});
    }
    samples_.back().sum += amount;
    samples_.back().last = now;
  }

  ObservedRate observe(std::int64_t now) const {
    double sum = 0;
    std::int64_t oldest = now;
    for (const Sample& sample : samples_) {
      if (now - sample.last >= 11'000'000'000) continue;
      sum += sample.sum;
      oldest = std::min(oldest, sample.start);
    }
    std::int64_t window = now - oldest;
    const std::int64_t full = window / 1'000'000'000;
    if (full < 10) window += (10 - full) * 1'000'000'000;
    return {sum / (static_cast<double>(window) / 1e9), static_cast<std::uint64_t>(window)};
  }

 private:
  struct Sample {
    std::int64_t start;
    std::int64_t last;
    double sum;
  };
  std::vector<Sample> samples_;
};

TEST(SampledRate, AgreesWithThePlainestModel) {
  std::mt19937_64 random(20240607);
  // Steps of time: bursts, steady traffic, spikes, and gaps around every border there is.
  const std::vector<std::uint64_t> steps = {0,
                                            1,
                                            kMs,
                                            37 * kMs,
                                            kSecond - 1,
                                            kSecond,
                                            kSecond + 1,
                                            3 * kSecond + 500 * kMs,
                                            10 * kSecond,
                                            11 * kSecond - 1,
                                            11 * kSecond,
                                            12 * kSecond,
                                            100 * kSecond};
  for (int run = 0; run < 300; ++run) {
    SampledRate rate;
    Model model;
    std::uint64_t now = kBoot + random() % kSecond;
    const std::size_t longest = 1 + random() % steps.size();  // runs without gaps, too
    for (int i = 0; i < 300; ++i) {
      now += steps[random() % longest];
      if (random() % 3 != 0) now += random() % (200 * kMs);
      if (random() % 4 != 0) {
        const double amount = random() % 50 == 0 ? 1e6 : static_cast<double>(random() % 1000) / 7;
        rate.record(amount, now);
        model.record(amount, static_cast<std::int64_t>(now));
      }
      const ObservedRate seen = rate.observe(now);
      const ObservedRate expected = model.observe(static_cast<std::int64_t>(now));
      ASSERT_EQ(seen.window_ns, expected.window_ns) << "run " << run << ", step " << i;
      ASSERT_NEAR(seen.per_second, expected.per_second, expected.per_second * 1e-12);
      ASSERT_GE(seen.window_ns, 10 * kSecond);
      ASSERT_LT(seen.window_ns, 12 * kSecond);
    }
  }
}

TEST(SampledRate, AnySequenceOfTimesIsSurvived) {
  std::mt19937_64 random(42);
  SampledRate rate;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t now = random() >> (random() % 64);
    rate.record(static_cast<double>(random() % 100), now);
    const ObservedRate seen = rate.observe(random() >> (random() % 64));
    ASSERT_GE(seen.per_second, 0);
    ASSERT_TRUE(std::isfinite(seen.per_second));
    ASSERT_GE(seen.window_ns, 10 * kSecond);
    ASSERT_LT(seen.window_ns, 12 * kSecond);
  }
}

}  // namespace
}  // namespace headgate::quota
