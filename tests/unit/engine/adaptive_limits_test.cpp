// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/adaptive_limits.h"

#include <gtest/gtest.h>

#include "daemon/quota/account.h"

namespace headgate::quota {
namespace {

constexpr std::uint32_t kMaxKeys = 100;

class Learning : public testing::Test {
 protected:
  Learning() {
    settings.algorithm = config::QuotaAlgorithm::kGradient2;
    settings.floor = 1;
    settings.ceiling = 100;
  }
  void enter(const Fingerprint& key) const {
    ASSERT_TRUE(account->table().find_or_insert(key, 1, 1, "alice"));
  }
  void add(const Fingerprint& key) const {
    account->adaptive().add(key, settings, {1, 1, 1, false});
  }

  const std::shared_ptr<Account> account = *Account::create("api", kMaxKeys);
  config::QuotaLimit settings;
};

// The table knows only a part of a key.
TEST_F(Learning, KeysThatTheTableCannotTellApartAreOne) {
  constexpr Fingerprint kKey{0x1234'5678'90ab'cdef, 0xfedc'ba98'7654'3210};
  enter(kKey);
  for (std::uint64_t i = 0; i < 10'000; ++i) add({kKey.high ^ i << 32, kKey.low});
  EXPECT_EQ(account->adaptive().learners(), 1U);
  account->adaptive().prune();
  EXPECT_EQ(account->adaptive().learners(), 1U);
}

TEST_F(Learning, WhatHasLeftTheTableIsForgotten) {
  constexpr Fingerprint kKey{1, std::uint64_t{2} << 40};
  enter(kKey);
  add(kKey);
  ASSERT_TRUE(account->table().remove(account->table().find(kKey)));
  account->adaptive().prune();
  EXPECT_EQ(account->adaptive().learners(), 0U);
}

// Who has mapped the memory writes tags into all of it.
TEST_F(Learning, KnowsNoMoreKeysThanTheTableMayHave) {
  TableView& table = account->table();
  for (std::uint64_t i = 0; i < 50 * kMaxKeys; ++i) {
    const Fingerprint key{i, (i + 1) << 40};
    enter(key);
    const_cast<shared::Header*>(reinterpret_cast<const shared::Header*>(
                                    reinterpret_cast<const std::byte*>(table.slot_array()) -
                                    shared::slots_at(account->sets())))
        ->keys = 0;
    add(key);
    ASSERT_LE(account->adaptive().learners(), kMaxKeys);
  }
}

}  // namespace
}  // namespace headgate::quota
