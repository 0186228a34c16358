// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "bpf/bucket.h"
#include "cases.h"

namespace headgate::policy {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kHour = 3600 * kSecond;

hg_rate client_rate(const std::string& rate) {
  return compile_rule_with("new_connections: { per_client: " + rate + " }").limits.client_rate;
}

TEST(CompileRule, WritesLimitsAsTheKernelReadsThem) {
  const hg_rule all = compile_rule_with(
      "connections: { per_client: 100, per_network: 1000, total: 20000 }\n"
      "    handshake_timeout: 500ms");
  EXPECT_EQ(all.limits.per_client, 100U);
  EXPECT_EQ(all.limits.per_network, 1000U);
  EXPECT_EQ(all.total, 20'000U);
  EXPECT_EQ(all.handshake_timeout_ns, 500'000'000U);

  const hg_rule none = compile_rule_with("");
  EXPECT_EQ(none.limits.per_client, HG_NO_LIMIT);
  EXPECT_EQ(none.limits.per_network, HG_NO_LIMIT);
  EXPECT_EQ(none.total, HG_NO_LIMIT);
  EXPECT_EQ(none.handshake_timeout_ns, 10 * kSecond);
  EXPECT_EQ(none.limits.client_rate.interval_ns, 0U);
  EXPECT_EQ(none.limits.network_rate.interval_ns, 0U);
  EXPECT_EQ(none.total_rate.interval_ns, 0U);
  EXPECT_EQ(none.penalty_after, 0U);

  const hg_rule nobody = compile_rule_with("connections: { per_client: 0, per_network: 0 }");
  EXPECT_EQ(nobody.limits.per_client, 0U);
  EXPECT_EQ(nobody.limits.per_network, 0U);
}

TEST(CompileRule, WritesWhichLimitsCountHalfOpenConnections) {
  EXPECT_EQ(compile_rule_with("").count_half_open, HG_HALF_OPEN_CLIENT);
  EXPECT_EQ(compile_rule_with("count_half_open: client").count_half_open, HG_HALF_OPEN_CLIENT);
  EXPECT_EQ(compile_rule_with("count_half_open: all").count_half_open, HG_HALF_OPEN_ALL);
  EXPECT_EQ(compile_rule_with("count_half_open: none").count_half_open, HG_HALF_OPEN_NONE);
}

TEST(CompileRule, MasksCutTheSixteenByteAddress) {
  struct Case {
    std::string ipv4, ipv6;
    std::string ipv4_mask, ipv6_mask;
  };
  const std::string mapped(24, 'f');  // the mask keeps what marks an IPv4 address
  const Case cases[] = {
      {"32", "64", mapped + "ffffffff", "ffffffffffffffff0000000000000000"},
      {"24", "128", mapped + "ffffff00", "ffffffffffffffffffffffffffffffff"},
      {"9", "49", mapped + "ff800000", "ffffffffffff80000000000000000000"},
      {"0", "0", mapped + "00000000", "00000000000000000000000000000000"},
  };
  for (const Case& c : cases) {
    const hg_rule rule =
        compile_rule_with("client_prefix: { ipv4: " + c.ipv4 + ", ipv6: " + c.ipv6 +
                          " }\n    network_prefix: { ipv4: 0, ipv6: 0 }");
    EXPECT_EQ(bytes_of(rule.ipv4_mask), c.ipv4_mask);
    EXPECT_EQ(bytes_of(rule.ipv6_mask), c.ipv6_mask);
  }
}

TEST(CompileRule, NetworkBitsCountInTheSixteenByteAddress) {
  const hg_rule usual = compile_rule_with("");
  EXPECT_EQ(usual.ipv4_network_bits, 96 + 24);
  EXPECT_EQ(usual.ipv6_network_bits, 48);
  const hg_rule widest = compile_rule_with("network_prefix: { ipv4: 0, ipv6: 0 }");
  EXPECT_EQ(widest.ipv4_network_bits, 96);
  EXPECT_EQ(widest.ipv6_network_bits, 0);
  const hg_rule narrowest = compile_rule_with(
      "client_prefix: { ipv4: 32, ipv6: 128 }\n    network_prefix: { ipv4: 32, ipv6: 128 }");
  EXPECT_EQ(narrowest.ipv4_network_bits, 128);
  EXPECT_EQ(narrowest.ipv6_network_bits, 128);
}

TEST(CompileRule, TheReserveIsTakenOffTheTotal) {
  EXPECT_EQ(compile_rule_with("connections: { total: 20000, reserve: 100 }").total, 19'900U);
  EXPECT_EQ(compile_rule_with("connections: { total: 100, reserve: 100 }").total, 0U);
  EXPECT_EQ(compile_rule_with("connections: { total: 1000000000 }").total, 1'000'000'000U);
}

TEST(CompileRate, TheIntervalIsRoundedUpSoThatTheRateIsNeverExceeded) {
  struct Case {
    std::string rate;
    std::uint64_t interval_ns;
  };
  const Case cases[] = {
      {"1/h", kHour},       {"1/s", kSecond},       {"50/s", 20'000'000},    {"1000000/s", 1000},
      {"3/s", 333'333'334}, {"7/m", 8'571'428'572}, {"1000000000/h", 3'600}, {"999999999/h", 3'601},
      {"600000/s", 1667},   {"60/h", 60 * kSecond}, {"999999/s", 1001},
  };
  for (const Case& c : cases) EXPECT_EQ(client_rate(c.rate).interval_ns, c.interval_ns) << c.rate;
}

TEST(CompileRate, TheToleranceIsTheRestOfTheBurst) {
  EXPECT_EQ(client_rate("50/s").tolerance_ns, 49U * 20'000'000U);  // one second's worth
  EXPECT_EQ(client_rate("1/h").tolerance_ns, 0U);                  // at least one
  EXPECT_EQ(client_rate("{ rate: 50/s, burst: 1 }").tolerance_ns, 0U);
  EXPECT_EQ(client_rate("{ rate: 50/s, burst: 100 }").tolerance_ns, 99U * 20'000'000U);
  EXPECT_EQ(client_rate("1000000/s").tolerance_ns, 999'999U * 1000U);
}

TEST(CompileRate, TheLongestToleranceLeavesRoomForTheClockAndTheDebtOfEveryProcessor) {
  const hg_rate rate = client_rate("{ rate: 1/h, burst: 1000000 }");
  EXPECT_EQ(rate.interval_ns, kHour);
  EXPECT_EQ(rate.tolerance_ns, 999'999U * kHour);
  const std::uint64_t a_century_ns = 100 * 366 * 24 * kHour;
  constexpr std::uint32_t kProcessors = 8192;
  const auto most = std::numeric_limits<std::uint64_t>::max();
  ASSERT_LT(rate.tolerance_ns, most - a_century_ns - (kProcessors + 1) * kHour);
  const std::uint64_t latest = a_century_ns + rate.tolerance_ns + kProcessors * kHour;
  EXPECT_EQ(hg_bucket_bounded(latest, a_century_ns, &rate, kProcessors), latest);
  EXPECT_LT(hg_bucket_bounded(latest + 1, a_century_ns, &rate, kProcessors), latest);
}

TEST(CompileRate, EveryLevelHasItsOwn) {
  const hg_rule rule = compile_rule_with(
      "new_connections: { per_client: 1/s, per_network: 2/s, total: { rate: 4/s, burst: 9 } }");
  EXPECT_EQ(rule.limits.client_rate.interval_ns, kSecond);
  EXPECT_EQ(rule.limits.network_rate.interval_ns, kSecond / 2);
  EXPECT_EQ(rule.total_rate.interval_ns, kSecond / 4);
  EXPECT_EQ(rule.total_rate.tolerance_ns, 8 * kSecond / 4);
}

TEST(CompileRule, FlagsTellWhatIsInTheRule) {
  struct Case {
    std::string body;
    std::uint32_t flags;
  };
  const std::string clients = "overrides: [{ clients: [10.0.0.0/8], ";
  const Case cases[] = {
      {"connections: { per_client: 1, total: 5, reserve: 1 }", 0},
      {"on_table_full: refuse", HG_REFUSE_ON_TABLE_FULL},
      {"mode: monitor", HG_MONITOR},
      {"connections: { per_network: 1 }", HG_COUNT_NETWORKS},
      {"connections: { per_network: 0 }", HG_COUNT_NETWORKS},
      {"new_connections: { per_client: 1/s }", HG_HAS_RATES},
      {"new_connections: { per_network: 1/s }", HG_HAS_RATES},
      {"new_connections: { total: 1/s }", HG_HAS_RATES},
      {clients + "exempt: true }]", HG_HAS_OVERRIDES},
      {clients + "connections: { per_client: 1 } }]", HG_HAS_OVERRIDES},
      {clients + "connections: { per_network: 1 } }]", HG_HAS_OVERRIDES | HG_COUNT_NETWORKS},
      {clients + "connections: { per_network: unlimited } }]", HG_HAS_OVERRIDES},
      {clients + "new_connections: { per_client: 1/s } }]", HG_HAS_OVERRIDES | HG_HAS_RATES},
      {clients + "new_connections: { per_network: 1/s } }]", HG_HAS_OVERRIDES | HG_HAS_RATES},
      {clients + "new_connections: { per_client: unlimited } }]", HG_HAS_OVERRIDES},
      {"mode: monitor\n    on_table_full: refuse\n    connections: { per_network: 1 }\n"
       "    new_connections: { total: 1/s }",
       HG_MONITOR | HG_REFUSE_ON_TABLE_FULL | HG_COUNT_NETWORKS | HG_HAS_RATES},
  };
  for (const Case& c : cases) EXPECT_EQ(compile_rule_with(c.body).flags, c.flags) << c.body;
}

TEST(CompileRule, WritesWhatARefusedClientGets) {
  EXPECT_EQ(compile_rule_with("").action, HG_ACTION_RESET);
  EXPECT_EQ(compile_rule_with("on_limit: reset").action, HG_ACTION_RESET);
  EXPECT_EQ(compile_rule_with("on_limit: drop").action, HG_ACTION_DROP);
  EXPECT_EQ(compile_rule_with("on_limit: reply\n    reply: redis").action, HG_ACTION_REPLY);
}

TEST(CompileRule, WritesThePenalty) {
  const hg_rule rule = compile_rule_with(
      "penalty: { after: 100, within: 10s, deny_for: 10m, grow: 2, at_most: 1d }");
  EXPECT_EQ(rule.penalty_after, 100U);
  EXPECT_EQ(rule.penalty_within_ns, 10 * kSecond);
  EXPECT_EQ(rule.penalty_first_ns, 600 * kSecond);
  EXPECT_EQ(rule.penalty_longest_ns, 24 * kHour);
  EXPECT_EQ(rule.penalty_growth, 2U);
}

TEST(CompileRule, ThePenaltyGrowsOnlyAsConfigured) {
  const hg_rule usual = compile_rule_with("penalty: { after: 1, within: 1s, deny_for: 365d }");
  EXPECT_EQ(usual.penalty_growth, 1U);
  EXPECT_EQ(usual.penalty_first_ns, 365 * 24 * kHour);
  EXPECT_EQ(usual.penalty_longest_ns, 365 * 24 * kHour);
}

}  // namespace
}  // namespace headgate::policy
