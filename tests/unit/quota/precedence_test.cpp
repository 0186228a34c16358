// SPDX-License-Identifier: Apache-2.0
#include "quota/precedence.h"

#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace headgate::quota {
namespace {

// A row of the table: whom the quota is for, and the bucket in which (alice, web) is counted.
struct Row {
  std::string name;
  Subject subject;
  std::string user;
  std::string client;
  Requester bucket;
};

const Requester kAliceWeb{"alice", "web"};

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {"user+client", {Party::kNamed, Party::kNamed}, "alice", "web", {"alice", "web"}},
      {"user+default client", {Party::kNamed, Party::kDefault}, "alice", "", {"alice", "web"}},
      {"user", {Party::kNamed, Party::kAny}, "alice", "", {"alice", {}}},
      {"default user+client", {Party::kDefault, Party::kNamed}, "", "web", {"alice", "web"}},
      {"default user+default client", {Party::kDefault, Party::kDefault}, "", "", {"alice", "web"}},
      {"default user", {Party::kDefault, Party::kAny}, "", "", {"alice", {}}},
      {"client", {Party::kAny, Party::kNamed}, "", "web", {{}, "web"}},
      {"default client", {Party::kAny, Party::kDefault}, "", "", {{}, "web"}},
  };
  return all;
}

void insert(const Row& row, Quotas<std::string>& quotas) {
  EXPECT_TRUE(quotas.insert(row.subject, row.user, row.client, row.name)) << row.name;
}

std::string found(const Quotas<std::string>& quotas, const Requester& requester) {
  const auto match = quotas.find(requester);
  return match ? match->quota : "none";
}

TEST(Precedence, NothingHoldsWhereThereIsNothing) {
  EXPECT_EQ(found({}, kAliceWeb), "none");
}

TEST(Precedence, EachRowHoldsAloneAndHasItsBucket) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.name);
    Quotas<std::string> quotas;
    insert(row, quotas);
    const auto match = quotas.find(kAliceWeb);
    ASSERT_TRUE(match);
    EXPECT_EQ(match->quota, row.name);
    EXPECT_EQ(match->bucket, row.bucket);
  }
}

TEST(Precedence, TheFirstRowThatExistsHolds) {
  for (unsigned exists = 1; exists < 256; ++exists) {
    Quotas<std::string> quotas;
    std::string first;
    for (std::size_t i = 0; i < rows().size(); ++i) {
      if ((exists >> i & 1) == 0) continue;
      insert(rows()[i], quotas);
      if (first.empty()) first = rows()[i].name;
    }
    EXPECT_EQ(found(quotas, kAliceWeb), first);
  }
}

TEST(Precedence, WhoIsNotNamedFallsToTheDefaults) {
  Quotas<std::string> quotas;
  for (const Row& row : rows()) insert(row, quotas);
  EXPECT_EQ(found(quotas, {"alice", "batch"}), "user+default client");
  EXPECT_EQ(found(quotas, {"bob", "web"}), "default user+client");
  EXPECT_EQ(found(quotas, {"bob", "batch"}), "default user+default client");
}

TEST(Precedence, WithoutAUserOnlyQuotasOfClientsHold) {
  Quotas<std::string> quotas;
  for (const Row& row : rows()) insert(row, quotas);
  EXPECT_EQ(found(quotas, {std::nullopt, "web"}), "client");
  EXPECT_EQ(found(quotas, {std::nullopt, "batch"}), "default client");
}

TEST(Precedence, WithoutAClientOnlyQuotasOfUsersHold) {
  Quotas<std::string> quotas;
  for (const Row& row : rows()) insert(row, quotas);
  EXPECT_EQ(found(quotas, {"alice", std::nullopt}), "user");
  EXPECT_EQ(found(quotas, {"bob", std::nullopt}), "default user");
  EXPECT_EQ(found(quotas, {std::nullopt, std::nullopt}), "none");
}

TEST(Precedence, ADefaultGivesEachOneABucketOfItsOwn) {
  Quotas<std::string> quotas;
  insert(rows()[5], quotas);
  EXPECT_EQ(quotas.find({"bob", "web"})->bucket, (Requester{"bob", std::nullopt}));
  EXPECT_EQ(quotas.find({"bob", "batch"})->bucket, (Requester{"bob", std::nullopt}));
  EXPECT_EQ(quotas.find({"carol", "web"})->bucket, (Requester{"carol", std::nullopt}));
}

TEST(Precedence, AnEmptyNameIsANameAsAnyOther) {
  Quotas<std::string> quotas;
  ASSERT_TRUE(quotas.insert({Party::kNamed, Party::kAny}, "", "", "nameless"));
  EXPECT_EQ(found(quotas, {"", "web"}), "nameless");
  EXPECT_EQ(found(quotas, {std::nullopt, "web"}), "none");
  EXPECT_EQ(found(quotas, {"alice", "web"}), "none");
}

TEST(Precedence, ThereIsOneQuotaForEachSubject) {
  Quotas<int> quotas;
  EXPECT_TRUE(quotas.insert({Party::kNamed, Party::kAny}, "alice", "ignored", 1));
  EXPECT_FALSE(quotas.insert({Party::kNamed, Party::kAny}, "alice", "", 2));
  EXPECT_EQ(quotas.find(kAliceWeb)->quota, 1);
  EXPECT_FALSE(quotas.insert({}, "alice", "web", 3)) << "a quota of nobody";
}

}  // namespace
}  // namespace headgate::quota
