// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "explained.h"

namespace headgate::manage {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

void expect_about(std::optional<system_clock::time_point> until, seconds from_now) {
  ASSERT_TRUE(until);
  const auto expected = system_clock::now() + from_now;
  EXPECT_LE(*until, expected);
  EXPECT_GT(*until, expected - seconds(5));
}

TEST(Explain, TellsWhatIsCountedAgainstWhat) {
  Case c("connections: { per_client: 100, per_network: 1000, total: 20000, reserve: 100 }");
  c.found.levels[0] = {3, 1, 0};
  c.found.levels[1] = {40, 2, 0};
  c.found.levels[2] = {500, 5, 0};
  const Explanation told = c.explain();
  EXPECT_EQ(told.rule, "web");
  EXPECT_EQ(told.generation, 7U);
  EXPECT_EQ(told.client, "192.0.2.7");
  EXPECT_EQ(told.per_client.who, "192.0.2.7");
  EXPECT_EQ(told.per_client.connections, 3U);
  EXPECT_EQ(told.per_client.half_open, 1U);
  EXPECT_EQ(told.per_client.limit, 100U);
  EXPECT_FALSE(told.per_client.bucket);
  EXPECT_EQ(told.per_network.who, "192.0.2.0/24");
  EXPECT_EQ(told.per_network.connections, 40U);
  EXPECT_EQ(told.per_network.half_open, 2U);
  EXPECT_EQ(told.per_network.limit, 1000U);
  EXPECT_EQ(told.total.who, "");
  EXPECT_EQ(told.total.connections, 500U);
  EXPECT_EQ(told.total.half_open, 5U);
  EXPECT_EQ(told.total.limit, 20'000U);  // as configured: the reserve is told apart
  EXPECT_EQ(told.reserve, 100U);
  EXPECT_TRUE(told.is_admitted);
  EXPECT_EQ(told.reason, "none");
  EXPECT_EQ(told.mode, "enforce");
  EXPECT_EQ(told.action, "reset");
  EXPECT_FALSE(told.overridden_by);
  EXPECT_FALSE(told.exempt_by);
  EXPECT_FALSE(told.deny);
  EXPECT_FALSE(told.penalty);
}

TEST(Explain, NoLimitIsNoneAndALimitOfZeroIsOne) {
  Case c("connections: { per_client: 0 }");
  EXPECT_EQ(c.explain().per_client.limit, 0U);
  EXPECT_FALSE(c.explain().per_network.limit);
  EXPECT_FALSE(c.explain().total.limit);
}

TEST(Explain, AnIpv6ClientIsItsPrefix) {
  const Explanation told = Case("").explain("2001:db8:1:2::7");
  EXPECT_EQ(told.client, "2001:db8:1:2::7");
  EXPECT_EQ(told.per_client.who, "2001:db8:1:2::/64");
  EXPECT_EQ(told.per_network.who, "2001:db8:1::/48");
}

TEST(Explain, NamesEveryReasonThatRefuses) {
  Case c("on_limit: drop");
  for (int reason = HG_ADMITTED + 1; reason < HG_REASON_END; ++reason) {
    c.found.reason = static_cast<std::uint32_t>(reason);
    const Explanation told = c.explain();
    EXPECT_EQ(told.reason, observe::reason_labels()[static_cast<std::size_t>(reason)]);
    EXPECT_FALSE(told.is_admitted);
    EXPECT_EQ(told.action, "drop");
  }
}

TEST(Explain, MonitorLetsInWhatTheLimitsRefuse) {
  Case c("mode: monitor");
  c.found.reason = HG_CLIENT_RATE;
  const Explanation told = c.explain();
  EXPECT_TRUE(told.is_admitted);
  EXPECT_EQ(told.mode, "monitor");
  EXPECT_EQ(told.reason, "client_rate");
}

TEST(Explain, AnExemptClientGetsInWhateverTheLimitsSay) {
  Case c("overrides: [{ clients: [192.0.2.0/28], exempt: true }]");
  c.found.reason = HG_DENIED;
  c.found.denied_until_ns = HG_FOR_GOOD;
  c.found.denied_bits = HG_PREFIX_FIXED_BITS + 24;
  c.found.exempt = 1;
  c.found.override_bits = HG_PREFIX_FIXED_BITS + 28;
  Explanation told = c.explain();
  EXPECT_TRUE(told.is_admitted);
  EXPECT_EQ(told.reason, "denied");
  EXPECT_EQ(told.exempt_by, "overrides");
  EXPECT_EQ(told.overridden_by, "192.0.2.0/28");
  ASSERT_TRUE(told.deny);  // told also if exempt
  EXPECT_EQ(told.deny->entry.cidr.to_string(), "192.0.2.0/24");
  c.found.exempt = 2;
  c.found.override_bits = 0;
  told = c.explain();
  EXPECT_TRUE(told.is_admitted);
  EXPECT_EQ(told.exempt_by, "clients.exempt");
  EXPECT_FALSE(told.overridden_by);
}

TEST(Explain, TheLimitsAreThoseOfTheOverride) {
  Case c("connections: { per_client: 1, per_network: 2 }");
  c.found.override_bits = HG_PREFIX_FIXED_BITS;  // 0.0.0.0/0
  c.found.limits.per_client = 50;
  c.found.limits.per_network = HG_NO_LIMIT;
  c.found.limits.client_rate = {kSecond / 10, 0};
  const Explanation told = c.explain();
  EXPECT_EQ(told.overridden_by, "0.0.0.0/0");
  EXPECT_EQ(told.per_client.limit, 50U);
  EXPECT_FALSE(told.per_network.limit);
  ASSERT_TRUE(told.per_client.bucket);
  EXPECT_EQ(told.per_client.bucket->rate_per_second, 10);
}

TEST(Explain, ADenyEntryTellsItsRangeAndItsEnd) {
  Case c("");
  c.found.reason = HG_DENIED;
  c.found.denied_until_ns = kBoot + 600 * kSecond;
  c.found.denied_bits = HG_PREFIX_FIXED_BITS + 20;
  Explanation told = c.explain("192.0.18.7");
  ASSERT_TRUE(told.deny);
  EXPECT_EQ(told.deny->entry.cidr.to_string(), "192.0.16.0/20");
  expect_about(told.deny->entry.until, seconds(600));
  c.found.denied_until_ns = HG_FOR_GOOD;
  c.found.denied_bits = HG_PREFIX_FIXED_BITS + 32;
  told = c.explain("2001:db8::1");
  ASSERT_TRUE(told.deny);
  EXPECT_EQ(told.deny->entry.cidr.to_string(), "2001:db8::/32");
  EXPECT_FALSE(told.deny->entry.until);
}

TEST(Explain, ADenyEntryIsOfWhoDenies) {
  Case c("", "clients: { deny: [192.0.2.0/24] }\n");
  c.found.reason = HG_DENIED;
  c.found.denied_until_ns = HG_FOR_GOOD;
  c.found.denied_bits = HG_PREFIX_FIXED_BITS + 24;
  c.found.denied_by = 1;
  EXPECT_EQ(c.explain().deny->source, DenyListed::Source::kOperator);
  c.found.denied_by = 2;
  EXPECT_EQ(c.explain().deny->source, DenyListed::Source::kConfig);
}

TEST(FindConfigured, TellsReasonAndEndOfExactlyThatRange) {
  const Case c("", R"(clients:
  deny:
    - { cidr: 192.0.2.0/24, reason: scanner, until: 2030-01-01T00:00:00Z }
    - 192.0.2.0/25
)");
  const auto find = [&c](const char* cidr) {
    return find_configured(c.config, *Prefix::parse(cidr));
  };
  const auto found = find("192.0.2.0/24");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->entry.cidr.to_string(), "192.0.2.0/24");
  EXPECT_EQ(found->entry.reason, "scanner");
  EXPECT_EQ(found->entry.until, std::chrono::sys_days(std::chrono::year(2030) / 1 / 1));
  EXPECT_EQ(found->source, DenyListed::Source::kConfig);
  ASSERT_TRUE(find("192.0.2.0/25"));
  EXPECT_FALSE(find("192.0.2.0/25")->entry.until);
  EXPECT_FALSE(find("192.0.2.0/26"));
  EXPECT_FALSE(find("192.0.0.0/16"));
}

TEST(Explain, APenaltyTellsItsEndAndHowOftenThereWasOne) {
  Case c("penalty: { after: 1, within: 1s, deny_for: 10m }");
  c.found.reason = HG_DENIED;
  c.found.penalty_times = 3;
  c.found.penalty_until_ns = kNow + 300 * kSecond;
  Explanation told = c.explain();
  ASSERT_TRUE(told.penalty);
  EXPECT_FALSE(told.deny);
  EXPECT_EQ(told.penalty->entry.cidr.to_string(), "192.0.2.7");
  EXPECT_EQ(told.penalty->source, DenyListed::Source::kPenalty);
  EXPECT_EQ(told.penalty->rule, "web");
  EXPECT_EQ(told.penalty_times, 3U);
  expect_about(told.penalty->entry.until, seconds(300));

  c.found.reason = HG_ADMITTED;
  c.found.penalty_until_ns = kNow;  // it has ended and is only remembered
  told = c.explain();
  EXPECT_FALSE(told.penalty);
  EXPECT_EQ(told.penalty_times, 3U);
}

// As `deny list` shows it and as `deny del` takes it.
TEST(Explain, APenaltyIsOfTheWholeClient) {
  Case c("penalty: { after: 1, within: 1s, deny_for: 10m }");
  c.found.penalty_until_ns = kNow + kSecond;
  const Explanation told = c.explain("2001:db8:1:2::7");
  ASSERT_TRUE(told.penalty);
  EXPECT_EQ(told.penalty->entry.cidr.to_string(), "2001:db8:1:2::/64");
}

}  // namespace
}  // namespace headgate::manage
