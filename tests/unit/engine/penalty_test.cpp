// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include <gtest/gtest.h>

#include "daemon/quota/engine.h"
#include "daemon/quota/offenders.h"
#include "world.h"

namespace headgate::quota {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr config::Penalty kPenalty{3, seconds(10), seconds(60), 2, seconds(200)};

class QuotaPenalty : public World {
 protected:
  void SetUp() override {
    config::QuotaRule limited = rule("client_ip", per_minute(0));
    limited.penalty = kPenalty;
    config::QuotaRule nested = rule("tenant", std::nullopt);
    nested.descriptors = {limited};
    put({limited, nested});
    engine.on_offence([this](const Engine::Offence& offence) { offences.push_back(offence); });
  }

  std::vector<Engine::Offence> offences;
};

TEST_F(QuotaPenalty, FollowsFromRefusalsOfTheSameAddress) {
  ask({{"client_ip", "192.0.2.1"}});
  ask({{"client_ip", "192.0.2.1"}});
  ask({{"client_ip", "192.0.2.2"}});
  EXPECT_TRUE(offences.empty());
  ask({{"client_ip", "192.0.2.1"}});
  ASSERT_EQ(offences.size(), 1U);
  EXPECT_EQ(offences[0].client.to_string(), "192.0.2.1");
  EXPECT_EQ(offences[0].deny_for, seconds(60));
  EXPECT_EQ(offences[0].domain, "api");
  EXPECT_EQ(offences[0].rule, "client_ip");
}

TEST_F(QuotaPenalty, IsOfTheValueThatIsAnAddress) {
  for (int i = 0; i < 3; ++i) ask({{"tenant", "acme"}, {"client_ip", "2001:db8::1"}});
  ASSERT_EQ(offences.size(), 1U);
  EXPECT_EQ(offences[0].client.to_string(), "2001:db8::/64") << "one client, as in the kernel";
  for (int i = 0; i < 9; ++i) ask({{"client_ip", "not an address"}});
  EXPECT_EQ(offences.size(), 1U);
}

// A user may choose his name.
TEST_F(QuotaPenalty, IsNotOfOtherValuesThatLookLikeAddresses) {
  for (int i = 0; i < 3; ++i) ask({{"tenant", "203.0.113.9"}, {"client_ip", "192.0.2.1"}});
  ASSERT_EQ(offences.size(), 1U);
  EXPECT_EQ(offences[0].client.to_string(), "192.0.2.1");
}

TEST_F(QuotaPenalty, IsForNobodyWhereSeveralShareACount) {
  config::QuotaRule shared = rule("client_ip", per_minute(0), "192.0.2.*");
  shared.share_threshold = true;
  shared.penalty = kPenalty;
  put({shared});
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(ask({{"client_ip", "192.0.2.1"}}).is_over);
  EXPECT_TRUE(offences.empty());
}

TEST_F(QuotaPenalty, DoesNotFollowFromAnAccountWithoutRoom) {
  config::QuotaRule at_once = rule("client_ip", config::QuotaLimit{});
  at_once.limit->algorithm = config::QuotaAlgorithm::kConcurrency;
  at_once.limit->requests = 1;
  at_once.penalty = kPenalty;
  config::Quotas quotas = domain({at_once}, "small");
  quotas.domains[0].max_keys = 16;
  put(quotas);
  const auto take = [&](const std::string& client) {
    return *engine.acquire({"small", {Descriptor{{{"client_ip", client}}, {}, {}}}, 1});
  };
  std::vector<Engine::Acquired> held;
  for (int i = 0; i < 16; ++i) held.push_back(take("198.51.100." + std::to_string(i)));
  for (int i = 0; i < 9; ++i) {
    const Engine::Acquired refused = take("192.0.2.1");
    EXPECT_TRUE(refused.decision.is_over);
    EXPECT_GT(refused.decision.verdicts.at(0).retry_after.count(), 0);
  }
  EXPECT_TRUE(offences.empty());
}

TEST_F(QuotaPenalty, MayBeForgotten) {
  for (int i = 0; i < 3; ++i) ask({{"client_ip", "192.0.2.1"}});
  ASSERT_EQ(offences.size(), 1U);
  for (int i = 0; i < 3; ++i) ask({{"client_ip", "192.0.2.1"}});
  EXPECT_EQ(offences.size(), 1U) << "it is denied already";
  engine.forget(offences[0]);
  for (int i = 0; i < 3; ++i) ask({{"client_ip", "192.0.2.1"}});
  EXPECT_EQ(offences.size(), 2U);
  EXPECT_EQ(offences[1].deny_for, seconds(60));
}

TEST_F(QuotaPenalty, NothingFollowsFromALook) {
  for (int i = 0; i < 9; ++i) ask({{"client_ip", "192.0.2.1"}}, 0);
  EXPECT_TRUE(offences.empty());
}

TEST(Offenders, GrowWithEachPenaltyAndAreForgottenInTheEnd) {
  Offenders offenders;
  const Prefix client = *Prefix::parse("192.0.2.1");
  std::uint64_t now = 1'000 * kSecond;
  const auto offend = [&] {
    std::optional<milliseconds> length;
    for (int i = 0; i < 3; ++i) length = offenders.note_refusal(1, client, kPenalty, now);
    now += length ? static_cast<std::uint64_t>(length->count()) * 1'000'000 : 0;
    return length;
  };
  EXPECT_EQ(offend(), seconds(60));
  EXPECT_EQ(offend(), seconds(120));
  EXPECT_EQ(offend(), seconds(200)) << "at_most";
  now += 201 * kSecond;
  EXPECT_EQ(offend(), seconds(60));
}

TEST(Offenders, RefusalsThatAreFarApartAreNoOffence) {
  Offenders offenders;
  const Prefix client = *Prefix::parse("192.0.2.1");
  for (std::uint64_t i = 1; i < 100; ++i) {
    EXPECT_FALSE(offenders.note_refusal(1, client, kPenalty, i * 6 * kSecond)) << i;
  }
}

TEST(Offenders, RememberABoundedNumberOfAddresses) {
  Offenders offenders(2);
  const auto refuse = [&](const char* client) {
    return offenders.note_refusal(1, *Prefix::parse(client), kPenalty, kSecond).has_value();
  };
  refuse("192.0.2.1");
  refuse("192.0.2.1");
  refuse("192.0.2.2");
  refuse("192.0.2.3");
  EXPECT_FALSE(refuse("192.0.2.1")) << "it has been forgotten";
}

}  // namespace
}  // namespace headgate::quota
