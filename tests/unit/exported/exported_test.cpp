// SPDX-License-Identifier: Apache-2.0
// The shared library, as a program has it that includes the installed headers and nothing else:
// what they declare and client/exports.map does not name is missing when this is linked.
#include <chrono>
#include <span>
#include <stdexcept>
#include <utility>

#include <gtest/gtest.h>

#include "headgate/adaptive_limit.h"
#include "headgate/backoff.h"
#include "headgate/circuit_breaker.h"
#include "headgate/client.h"

namespace headgate::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr Entry kAlice{"user", "alice"};

// Of a daemon that is not there; nobody waits for it.
Options nowhere() {
  return {.domain = "api", .socket = "/nonexistent/headgate.sock", .patience = milliseconds(0)};
}

TEST(Exported, AClientAsksByKeysAndByEntries) {
  Client client(nowhere());
  Key key = client.key({kAlice});
  EXPECT_TRUE(client.try_acquire(key)) << "it fails open";
  EXPECT_TRUE(client.try_acquire({kAlice}));
  EXPECT_TRUE(client.try_acquire(std::span(&kAlice, 1), 2));
  EXPECT_EQ(client.rule(key), "");
  EXPECT_FALSE(client.status().is_attached);
  EXPECT_STREQ(to_text(client.try_acquire(key).decision().reason), "not attached to a daemon");
}

TEST(Exported, WhatMakesNoSenseIsThrownOutOfTheLibrary) {
  EXPECT_THROW(Client({.domain = ""}), std::invalid_argument);
  const Client client(nowhere());
  EXPECT_THROW(static_cast<void>(client.key({})), std::invalid_argument);
  EXPECT_THROW(AdaptiveLimit({.floor = 0}), std::invalid_argument);
}

TEST(Exported, KeysAreCopiedAndMoved) {
  Client client(nowhere());
  Key key = client.key({kAlice});
  Key copy = key;
  Key moved = std::move(copy);
  copy = key;
  moved = std::move(copy);
  EXPECT_TRUE(client.try_acquire(moved));
}

TEST(Exported, AdmissionsAreMovedAndEnd) {
  Client client(nowhere());
  Key key = client.key({kAlice});
  Admission admission = client.try_acquire(key);
  Admission moved = std::move(admission);
  admission = std::move(moved);
  EXPECT_TRUE(admission);
  EXPECT_FALSE(admission.holds_permit());
  admission.end();
}

TEST(Exported, TimeIsTold) {
  Client client(nowhere());
  client.add_time("alice", "nightly", milliseconds(1));
  { const TimedRequest timed(client, "alice", "nightly"); }
  EXPECT_EQ(client.throttle("alice", "nightly"), nanoseconds(0));
}

TEST(Exported, HelpersNeedNoClient) {
  Backoff backoff;
  EXPECT_LE(backoff.next(), milliseconds(100));

  CircuitBreaker breaker;
  breaker.try_acquire().succeed();
  EXPECT_EQ(breaker.state(), CircuitBreaker::State::kClosed);
  EXPECT_EQ(breaker.retry_after(), nanoseconds(0));

  AdaptiveLimit limit;
  limit.try_acquire().end();
  { const auto dropped = limit.try_acquire(); }
  EXPECT_EQ(limit.limit(), 40U);
  EXPECT_EQ(limit.in_flight(), 0U);
}

}  // namespace
}  // namespace headgate::client
