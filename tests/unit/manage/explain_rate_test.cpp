// SPDX-License-Identifier: Apache-2.0
// Token buckets in words, and how long to wait.
#include <chrono>

#include <gtest/gtest.h>

#include "explained.h"

namespace headgate::manage {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(ExplainBucket, TellsRateBurstAndTokens) {
  Case c("new_connections: { per_client: { rate: 10/s, burst: 5 } }");
  const std::uint64_t interval = kSecond / 10;
  const auto bucket = [&c](std::uint64_t word) {
    c.found.levels[0].bucket = word;
    return *c.explain().per_client.bucket;
  };
  Bucket full = bucket(0);
  EXPECT_EQ(full.rate_per_second, 10);
  EXPECT_EQ(full.burst, 5U);
  EXPECT_EQ(full.tokens, 5);
  EXPECT_EQ(full.until_next, nanoseconds(0));
  EXPECT_EQ(bucket(kNow).tokens, 5);
  EXPECT_EQ(bucket(kNow - 100 * kSecond).tokens, 5);  // idle for long

  EXPECT_EQ(bucket(kNow + 2 * interval).tokens, 3);
  EXPECT_EQ(bucket(kNow + interval / 2).tokens, 4.5);

  const Bucket last = bucket(kNow + 4 * interval);
  EXPECT_EQ(last.tokens, 1);
  EXPECT_EQ(last.until_next, nanoseconds(0));
  const Bucket nearly = bucket(kNow + 4 * interval + 1);
  EXPECT_LT(nearly.tokens, 1);
  EXPECT_EQ(nearly.until_next, nanoseconds(1));
  const Bucket empty = bucket(kNow + 5 * interval);
  EXPECT_EQ(empty.tokens, 0);
  EXPECT_EQ(empty.until_next, milliseconds(100));
}

TEST(ExplainBucket, WhatProcessorsOweIsAnEmptyBucketThatTakesLonger) {
  Case c("new_connections: { total: { rate: 10/s, burst: 5 } }");
  c.found.levels[2].bucket = kNow + 6 * (kSecond / 10);
  const Bucket owing = *c.explain().total.bucket;
  EXPECT_EQ(owing.tokens, 0);
  EXPECT_EQ(owing.until_next, milliseconds(200));
}

TEST(ExplainBucket, EveryLevelHasItsOwn) {
  Case c("new_connections: { per_client: 1/s, per_network: 20/s, total: 1000000/s }");
  c.found.levels[0].bucket = kNow + kSecond;
  const Explanation told = c.explain();
  EXPECT_EQ(told.per_client.bucket->tokens, 0);
  EXPECT_EQ(told.per_client.bucket->until_next, seconds(1));
  EXPECT_EQ(told.per_network.bucket->rate_per_second, 20);
  EXPECT_EQ(told.per_network.bucket->tokens, 20);
  EXPECT_EQ(told.total.bucket->rate_per_second, 1e6);
  EXPECT_EQ(told.total.bucket->tokens, 1e6);
}

TEST(ExplainBucket, TheSlowestRateWithTheLargestBurst) {
  Case c("new_connections: { per_client: { rate: 1/h, burst: 1000000 } }");
  Bucket bucket = *c.explain().per_client.bucket;
  EXPECT_EQ(bucket.burst, 1'000'000U);
  EXPECT_EQ(bucket.tokens, 1e6);
  EXPECT_DOUBLE_EQ(bucket.rate_per_second, 1.0 / 3600);
  c.found.levels[0].bucket = kNow + 1'000'000 * (3600 * kSecond);
  bucket = *c.explain().per_client.bucket;
  EXPECT_EQ(bucket.tokens, 0);
  EXPECT_EQ(bucket.until_next, seconds(3600));
}

TEST(RetryAfter, OfALimitOfConnectionsNobodyKnows) {
  Case c("connections: { per_client: 1 }");
  for (const auto reason : {HG_CLIENT_CONNECTIONS, HG_NETWORK_CONNECTIONS, HG_TOTAL_CONNECTIONS,
                            HG_TABLE_FULL, HG_ADMITTED}) {
    c.found.reason = static_cast<std::uint32_t>(reason);
    EXPECT_EQ(c.retry(), 1) << reason;
  }
}

TEST(RetryAfter, WaitsForTheTokenOfTheLevelThatRefusesRoundedUp) {
  Case c("new_connections: { per_client: 1/m, per_network: { rate: 1/m, burst: 2 }, total: 1/h }");
  c.found.levels[0].bucket = kNow + 30 * kSecond;
  c.found.levels[1].bucket = kNow + 100 * kSecond;  // 60 s of them are the burst
  c.found.levels[2].bucket = kNow + 3000 * kSecond + 1;
  c.found.reason = HG_CLIENT_RATE;
  EXPECT_EQ(c.retry(), 30);
  c.found.reason = HG_NETWORK_RATE;
  EXPECT_EQ(c.retry(), 40);
  c.found.reason = HG_TOTAL_RATE;
  EXPECT_EQ(c.retry(), 3001);
}

TEST(RetryAfter, IsOneSecondAtLeast) {
  Case c("new_connections: { per_client: 1000/s }");
  c.found.reason = HG_CLIENT_RATE;
  c.found.levels[0].bucket = kNow + kSecond;
  EXPECT_EQ(c.retry(), 1);  // a millisecond, to be exact
  c.found.levels[0].bucket = 0;
  EXPECT_EQ(c.retry(), 1);  // the token has come meanwhile
  c.found.reason = HG_DENIED;
  c.found.denied_until_ns = kBoot - kSecond;
  EXPECT_EQ(c.retry(), 1);  // the entry has just expired
}

TEST(RetryAfter, WaitsForTheEndOfTheDenialRoundedUp) {
  Case c("penalty: { after: 1, within: 1s, deny_for: 10m }");
  c.found.reason = HG_DENIED;
  c.found.denied_until_ns = kBoot + 600 * kSecond + 1;
  EXPECT_EQ(c.retry(), 601);
  c.found.penalty_until_ns = kNow + 700 * kSecond;  // the longer one
  EXPECT_EQ(c.retry(), 700);
  c.found.denied_until_ns = 0;
  EXPECT_EQ(c.retry(), 700);
  c.found.denied_until_ns = HG_FOR_GOOD;
  EXPECT_EQ(c.retry(), 24 * 3600);  // a client that asks again tomorrow is told again
}

}  // namespace
}  // namespace headgate::manage
