// SPDX-License-Identifier: Apache-2.0
#include "bpf/bucket.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kHour = 3600 * kSecond;
constexpr std::uint64_t kBoot = 12345 * kSecond + 678;  // a clock as the kernel's may be

// As the daemon compiles a rate: policy/limits.cpp.
hg_rate rate_of(std::uint64_t count, std::uint64_t per_ns, std::uint64_t burst) {
  const std::uint64_t interval_ns = (per_ns + count - 1) / count;
  return {interval_ns, (burst - 1) * interval_ns};
}

// From one an hour to a million a second, with every kind of burst.
const std::vector<hg_rate>& rates() {
  static const std::vector<hg_rate> all = {rate_of(1, kHour, 1),
                                           rate_of(1, kHour, 1'000'000),
                                           rate_of(7, 60 * kSecond, 3),
                                           rate_of(1, kSecond, 1),
                                           rate_of(3, kSecond, 2),
                                           rate_of(50, kSecond, 100),
                                           rate_of(1000, kSecond, 1000),
                                           rate_of(1'000'000, kSecond, 1),
                                           rate_of(1'000'000, kSecond, 1'000'000)};
  return all;
}

std::string name_of(const hg_rate& rate) {
  return "one in " + std::to_string(rate.interval_ns) + " ns, tolerance " +
         std::to_string(rate.tolerance_ns) + " ns";
}

// One client's bucket, used as the programs use it.
struct Bucket {
  hg_rate rate;
  std::uint64_t word = 0;

  bool admit(std::uint64_t now_ns) {
    if (!hg_bucket_has_token(word, now_ns, &rate)) return false;
    word = hg_bucket_take(word, now_ns, &rate);
    return true;
  }

  // How many of `most` connections at one instant are let in.
  std::uint64_t admit_all(std::uint64_t now_ns, std::uint64_t most) {
    std::uint64_t admitted = 0;
    while (admitted < most && admit(now_ns)) ++admitted;
    return admitted;
  }

  std::uint64_t burst() const { return rate.tolerance_ns / rate.interval_ns + 1; }
};

TEST(Bucket, AdmitsExactlyTheBurstAtOnce) {
  for (const hg_rate& rate : rates()) {
    SCOPED_TRACE(name_of(rate));
    Bucket bucket{rate};
    EXPECT_EQ(bucket.admit_all(kBoot, bucket.burst() + 10), bucket.burst());
    EXPECT_FALSE(bucket.admit(kBoot));
  }
}

TEST(Bucket, OneComesBackAfterExactlyOneInterval) {
  for (const hg_rate& rate : rates()) {
    SCOPED_TRACE(name_of(rate));
    Bucket bucket{rate};
    bucket.admit_all(kBoot, bucket.burst());
    EXPECT_FALSE(bucket.admit(kBoot + rate.interval_ns - 1));
    EXPECT_TRUE(bucket.admit(kBoot + rate.interval_ns));
    EXPECT_FALSE(bucket.admit(kBoot + rate.interval_ns));
    EXPECT_FALSE(bucket.admit(kBoot + 2 * rate.interval_ns - 1));
    EXPECT_EQ(bucket.admit_all(kBoot + 4 * rate.interval_ns, 10),
              std::min<std::uint64_t>(3, bucket.burst()));
  }
}

TEST(Bucket, ARefusalTakesNothing) {
  for (const hg_rate& rate : rates()) {
    SCOPED_TRACE(name_of(rate));
    Bucket bucket{rate};
    bucket.admit_all(kBoot, bucket.burst());
    const std::uint64_t empty = bucket.word;
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(bucket.admit(kBoot));
    EXPECT_EQ(bucket.word, empty);
  }
}

TEST(Bucket, ALongIdleTimeGivesNoMoreThanTheBurst) {
  for (const hg_rate& rate : rates()) {
    SCOPED_TRACE(name_of(rate));
    Bucket bucket{rate};
    bucket.admit_all(kBoot, bucket.burst());
    const std::uint64_t ten_years_later = kBoot + 10 * 366 * 24 * kHour;
    // The bucket of a million, one an hour, is not full again by then.
    const std::uint64_t regained = (ten_years_later - kBoot) / rate.interval_ns;
    EXPECT_EQ(bucket.admit_all(ten_years_later, bucket.burst() + 10),
              std::min(regained, bucket.burst()));
  }
}

TEST(Bucket, AWordThatWasNeverWrittenIsAFullBucketFromTheFirstNanosecondOn) {
  for (const hg_rate& rate : rates()) {
    SCOPED_TRACE(name_of(rate));
    Bucket bucket{rate};
    EXPECT_EQ(bucket.admit_all(0, bucket.burst() + 1), bucket.burst());
  }
}

TEST(Bucket, ATokenTakenThatWasNotThereIsOwed) {
  Bucket bucket{rate_of(10, kSecond, 2)};
  bucket.admit_all(kBoot, 2);
  bucket.word = hg_bucket_take(bucket.word, kBoot, &bucket.rate);
  EXPECT_FALSE(bucket.admit(kBoot + 2 * bucket.rate.interval_ns - 1));
  EXPECT_TRUE(bucket.admit(kBoot + 2 * bucket.rate.interval_ns));
}

TEST(BoundedBucket, WhatTheRateItselfCanLeaveIsNotTouched) {
  for (const hg_rate& rate : rates()) {
    SCOPED_TRACE(name_of(rate));
    Bucket bucket{rate};
    EXPECT_EQ(hg_bucket_bounded(0, kBoot, &rate, 0), 0U);
    while (bucket.admit(kBoot)) {
    }
    // The last token that was there leaves the word one interval beyond the tolerance.
    EXPECT_EQ(hg_bucket_bounded(bucket.word, kBoot, &rate, 1), bucket.word);
    const std::uint64_t owed = hg_bucket_take(bucket.word, kBoot, &rate);
    EXPECT_EQ(hg_bucket_bounded(owed, kBoot, &rate, 2), owed);
  }
}

// Exactly one token is there, as if the bucket had just regained it.
void expect_one_token(std::uint64_t word, std::uint64_t now_ns, const hg_rate& rate) {
  Bucket bucket{rate, word};
  EXPECT_TRUE(bucket.admit(now_ns));
  EXPECT_FALSE(bucket.admit(now_ns));
  EXPECT_FALSE(bucket.admit(now_ns + rate.interval_ns - 1));
  EXPECT_TRUE(bucket.admit(now_ns + rate.interval_ns));
}

TEST(BoundedBucket, WhatProcessorsOweIsPaidBackAndMoreThanThatIsNot) {
  for (const hg_rate& rate : rates()) {
    for (const std::uint32_t debt : {1U, 4U, 128U}) {
      SCOPED_TRACE(name_of(rate) + ", debt " + std::to_string(debt));
      const std::uint64_t owed = kBoot + rate.tolerance_ns + debt * rate.interval_ns;
      EXPECT_EQ(hg_bucket_bounded(owed, kBoot, &rate, debt), owed);
      expect_one_token(hg_bucket_bounded(owed + 1, kBoot, &rate, debt), kBoot, rate);
    }
  }
}

TEST(BoundedBucket, TheDebtOfAFormerSlowerRateKeepsNobodyOut) {
  Bucket slow{rate_of(1, kHour, 1000)};
  slow.admit_all(kBoot, 1000);
  for (const hg_rate& rate : {rate_of(10, kSecond, 5), rate_of(1'000'000, kSecond, 1)}) {
    SCOPED_TRACE(name_of(rate));
    expect_one_token(hg_bucket_bounded(slow.word, kBoot, &rate, 4), kBoot, rate);
  }
}

TEST(BoundedBucket, TheDebtOfAFormerLargerBurstKeepsNobodyOut) {
  Bucket large{rate_of(10, kSecond, 1000)};
  large.admit_all(kBoot, 1000);
  const hg_rate small = rate_of(10, kSecond, 5);
  expect_one_token(hg_bucket_bounded(large.word, kBoot, &small, 4), kBoot, small);
}

TEST(BoundedBucket, GarbageInTheWordKeepsNobodyOut) {
  for (const hg_rate& rate : rates()) {
    SCOPED_TRACE(name_of(rate));
    expect_one_token(hg_bucket_bounded(~0ULL, kBoot, &rate, 8), kBoot, rate);
  }
}

// What a text book says, in floating point. It forgives itself half of what a nanosecond is worth:
// what it lost by rounding, no more.
struct ReferenceBucket {
  double per_second;
  double burst;
  double tokens;
  double last = 0;

  bool admit(double now) {
    tokens = std::min(burst, tokens + (now - last) * per_second);
    last = now;
    if (tokens < 1 - per_second / 2e9) return false;
    tokens -= 1;
    return true;
  }
};

// Ten seconds of connections that come in clumps, `load` times as many as the rate allows.
void expect_as_the_reference(const hg_rate& rate, double load, unsigned seed) {
  SCOPED_TRACE(name_of(rate) + ", load " + std::to_string(load) + ", seed " + std::to_string(seed));
  Bucket bucket{rate};
  const double per_second = 1e9 / static_cast<double>(rate.interval_ns);
  const auto burst = static_cast<double>(bucket.burst());
  ReferenceBucket reference{per_second, burst, burst};
  std::mt19937_64 random(seed);
  std::exponential_distribution<double> clump_gap(std::max(per_second * load / 8, 0.5));
  std::uint64_t admitted = 0;
  std::uint64_t expected = 0;
  double time = 0;
  for (;;) {
    time += clump_gap(random);
    if (time > 10) return;
    const auto since_ns = static_cast<std::uint64_t>(time * 1e9);
    for (auto left = random() % 16; left > 0; --left) {
      if (bucket.admit(kBoot + since_ns)) ++admitted;
      if (reference.admit(static_cast<double>(since_ns) / 1e9)) ++expected;
      // A hair's breadth for the division in floating point.
      const double most = burst + per_second * static_cast<double>(since_ns) / 1e9 + 1e-6;
      ASSERT_LE(static_cast<double>(admitted), most) << "after " << since_ns << " ns";
      ASSERT_GE(admitted + 1, expected) << "after " << since_ns << " ns";
      ASSERT_LE(admitted, expected + 1) << "after " << since_ns << " ns";
    }
  }
}

TEST(Bucket, TenSecondsOfRandomArrivalsAreAdmittedAsATextBookSays) {
  unsigned seed = 1000;
  for (const hg_rate& rate : rates()) {
    for (const double load : {0.3, 0.9, 1.1, 3.0}) {
      expect_as_the_reference(rate, load, seed++);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
