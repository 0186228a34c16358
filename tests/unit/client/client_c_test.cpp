// SPDX-License-Identifier: Apache-2.0
#include "headgate/client_c.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "headgate/client.h"

namespace headgate::client {
namespace {

// Of a daemon that is not there; nobody waits for it.
headgate_options nowhere() {
  headgate_options options{};
  options.size = sizeof options;
  options.domain = "api";
  options.socket = "/nonexistent/headgate.sock";
  options.patience_ms = -1;
  return options;
}

// What is wrong with the options; empty: nothing.
std::string error_of(const headgate_options* options) {
  char error[256];
  std::memset(error, 'x', sizeof error);
  headgate_client* const client = headgate_client_open(options, error, sizeof error);
  EXPECT_EQ(client == nullptr, error[0] != '\0') << error;
  headgate_client_close(client);
  return error;
}

// A client and a key that last as long as this.
struct Fixture {
  explicit Fixture(const headgate_options& options = nowhere())
      : client(headgate_client_open(&options, nullptr, 0)) {
    const headgate_entry alice{"user", "alice"};
    key = headgate_key_new(client, &alice, 1);
  }
  ~Fixture() {
    headgate_key_free(key);
    headgate_client_close(client);
  }
  headgate_client* client;
  headgate_key* key;
};

TEST(ClientC, SaysWhatIsWrongWithTheOptions) {
  EXPECT_EQ(error_of(nullptr), "no options");
  headgate_options options = nowhere();
  EXPECT_EQ(error_of(&options), "");

  options.domain = nullptr;
  EXPECT_EQ(error_of(&options),
            "'domain' is NULL or not UTF-8; the name of a domain of `quotas` would be right");
  options.domain = "caf\xe9";
  EXPECT_NE(error_of(&options), "");
  options.domain = "";
  EXPECT_NE(error_of(&options), "");

  options = nowhere();
  options.fail_policy = 2;
  EXPECT_EQ(error_of(&options),
            "2 is no fail policy; HEADGATE_FAIL_OPEN or HEADGATE_FAIL_CLOSED would be right");
  options = nowhere();
  options.max_permits = 65'537;
  EXPECT_NE(error_of(&options), "");
  options.max_permits = 65'536;
  EXPECT_EQ(error_of(&options), "");
}

TEST(ClientC, TakesOptionsOfOtherVersions) {
  headgate_options options = nowhere();
  options.size = 0;
  EXPECT_EQ(error_of(&options),
            "'size' of the options is 0; sizeof(headgate_options) would be right");
  options.size = sizeof options - 1;
  EXPECT_NE(error_of(&options), "");

  struct Newer {
    headgate_options known = nowhere();
    std::uint64_t more[2] = {};
  } newer;
  newer.known.size = sizeof newer;
  EXPECT_EQ(error_of(&newer.known), "") << "it wants nothing that is not known";
  newer.more[1] = 1;
  EXPECT_EQ(error_of(&newer.known),
            "the options say something that this version of libheadgate-client does not know; a "
            "newer one would be right");
}

TEST(ClientC, AnErrorFitsWhereItIsWritten) {
  char error[8];
  std::memset(error, 'x', sizeof error);
  EXPECT_EQ(headgate_client_open(nullptr, error, 4), nullptr);
  EXPECT_EQ(std::string_view(error, sizeof error), std::string_view("no \0xxxx", 8));
  EXPECT_EQ(headgate_client_open(nullptr, error, 0), nullptr);
  EXPECT_EQ(error[0], 'n') << "there was no room";
  EXPECT_EQ(headgate_client_open(nullptr, nullptr, 8), nullptr);
}

TEST(ClientC, AKeyIsOneToThirtyTwoEntriesOfUtf8) {
  const Fixture given;
  const auto is_good = [&](std::vector<headgate_entry> entries) {
    headgate_key* const key = headgate_key_new(given.client, entries.data(), entries.size());
    headgate_key_free(key);
    return key != nullptr;
  };
  EXPECT_TRUE(is_good({{"user", "alice"}, {"path", ""}}));
  EXPECT_TRUE(is_good(std::vector<headgate_entry>(32, {"a", "b"})));
  EXPECT_FALSE(is_good(std::vector<headgate_entry>(33, {"a", "b"})));
  EXPECT_FALSE(is_good({}));
  EXPECT_FALSE(is_good({{"", "alice"}}));
  EXPECT_FALSE(is_good({{nullptr, "alice"}}));
  EXPECT_FALSE(is_good({{"user", nullptr}}));
  EXPECT_FALSE(is_good({{"us\xff", "alice"}}));
  EXPECT_FALSE(is_good({{"user", "\xc0\x80"}}));
  EXPECT_EQ(headgate_key_new(given.client, nullptr, 1), nullptr);
  const headgate_entry alice{"user", "alice"};
  EXPECT_EQ(headgate_key_new(nullptr, &alice, 1), nullptr);
}

TEST(ClientC, WithoutADaemonTheFailPolicyDecides) {
  for (const int policy : {HEADGATE_FAIL_OPEN, HEADGATE_FAIL_CLOSED}) {
    headgate_options options = nowhere();
    options.fail_policy = policy;
    const Fixture given(options);
    headgate_permit permit;
    std::memset(&permit, 0xff, sizeof permit);
    const headgate_decision decision = headgate_try_acquire(given.client, given.key, 1, &permit);
    EXPECT_EQ(decision.is_admitted, policy == HEADGATE_FAIL_OPEN);
    EXPECT_EQ(decision.reason, HEADGATE_NOT_ATTACHED);
    EXPECT_FALSE(decision.holds_permit);
    headgate_permit_end(&permit, -1, false);  // what it was before is nothing that is given back
    headgate_permit_drop(&permit);
  }
}

TEST(ClientC, TellsOfTheDaemon) {
  const Fixture given;
  const headgate_status status = headgate_client_status(given.client);
  EXPECT_FALSE(status.is_attached);
  EXPECT_FALSE(status.has_rules);
  EXPECT_EQ(status.attached, 0U);
  char problem[200] = "";
  headgate_client_problem(nullptr, problem, sizeof problem);
  EXPECT_STREQ(problem, "no client");
}

TEST(ClientC, WhatIsNullIsRefusedOrIgnored) {
  const Fixture given;
  headgate_permit permit{};
  for (const headgate_decision& decision : {headgate_try_acquire(nullptr, given.key, 1, &permit),
                                            headgate_try_acquire(given.client, nullptr, 1, &permit),
                                            headgate_try_acquire(nullptr, nullptr, 1, nullptr)}) {
    EXPECT_FALSE(decision.is_admitted);
    EXPECT_EQ(decision.reason, HEADGATE_INVALID);
    EXPECT_LT(decision.retry_after_ns, 0);
  }
  headgate_permit_end(nullptr, 0, true);
  headgate_permit_end(&permit, 0, true);
  headgate_permit_drop(nullptr);
  headgate_permit_drop(&permit);
  headgate_key_free(nullptr);
  headgate_client_close(nullptr);
  EXPECT_FALSE(headgate_client_status(nullptr).is_attached);
  headgate_client_problem(given.client, nullptr, 10);
  headgate_add_time(nullptr, "alice", "nightly", 1);
  headgate_add_time(given.client, nullptr, nullptr, 1);
  headgate_add_time(given.client, "\xff", "nightly", 1);
  headgate_add_time(given.client, "alice", nullptr, -1);
  EXPECT_EQ(headgate_throttle_ns(nullptr, "alice", "nightly"), 0);
  EXPECT_EQ(headgate_throttle_ns(given.client, nullptr, ""), 0);
  EXPECT_EQ(headgate_throttle_ns(given.client, "alice", nullptr), 0);
}

TEST(ClientC, ReasonsHaveTheTextsOfTheOtherInterface) {
  for (int reason = HEADGATE_WITHIN_LIMIT; reason <= HEADGATE_NOT_ATTACHED; ++reason) {
    EXPECT_STREQ(headgate_reason_text(reason), to_text(static_cast<Reason>(reason)));
  }
  EXPECT_STREQ(headgate_reason_text(HEADGATE_INVALID), "an argument makes no sense");
  EXPECT_STREQ(headgate_reason_text(HEADGATE_INVALID + 1), "unknown");
  EXPECT_STREQ(headgate_reason_text(-1), "unknown");
}

}  // namespace
}  // namespace headgate::client
