// SPDX-License-Identifier: Apache-2.0
#include "daemon/reply/postgresql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conversations.h"

namespace headgate::reply {
namespace {

using namespace std::string_literals;
using testing::Each;

const std::string kSslRequest = "\0\0\0\x08\x04\xd2\x16\x2f"s;
const std::string kGssEncRequest = "\0\0\0\x08\x04\xd2\x16\x30"s;
const std::string kCancelRequest = "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02"s;
const std::string kStartup = "\0\0\0\x21\0\x03\0\0user\0somebody\0database\0\0\0"s;
const std::string kRefusal =
    "E\0\0\0\x3bSFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0"s;
const Outcome kRefused{kRefusal, Step::Next::kFinish};
const Outcome kClosed{"", Step::Next::kClose};

std::unique_ptr<Conversation> make() {
  return std::make_unique<PostgresqlConversation>();
}

std::string packet(std::uint32_t length, std::uint32_t code) {
  std::string bytes;
  for (const std::uint32_t value : {length, code}) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  }
  return bytes;
}

TEST(Postgresql, TheLengthsOfThisTestAreRight) {
  EXPECT_EQ(kStartup.size(), 0x21U);
  EXPECT_EQ(kRefusal.size(), 0x3bU + 1);
}

TEST(Postgresql, AnswersTheStartupPacketHoweverItIsCut) {
  EXPECT_THAT(hear_every_split(make, kStartup), Each(kRefused));
}

TEST(Postgresql, SaysNoToEncryptionFirst) {
  EXPECT_THAT(hear_every_split(make, kSslRequest + kStartup),
              Each(Outcome{"N" + kRefusal, Step::Next::kFinish}));
  EXPECT_THAT(hear_every_split(make, kGssEncRequest + kSslRequest + kStartup),
              Each(Outcome{"NN" + kRefusal, Step::Next::kFinish}));
}

TEST(Postgresql, AnswersAnEncryptionRequestBeforeTheNextPacketComes) {
  PostgresqlConversation conversation;
  EXPECT_EQ(hear(conversation, kSslRequest), (Outcome{"N", Step::Next::kRead}));
  EXPECT_EQ(hear(conversation, kStartup), kRefused);
}

TEST(Postgresql, DoesNotSayNoToEncryptionForEver) {
  PostgresqlConversation conversation;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(hear(conversation, kSslRequest), (Outcome{"N", Step::Next::kRead}));
  }
  EXPECT_EQ(hear(conversation, kGssEncRequest), kClosed);
}

TEST(Postgresql, HasNothingToSayToACancelRequest) {
  EXPECT_THAT(hear_every_split(make, kCancelRequest), Each(kClosed));
}

TEST(Postgresql, ClosesAtALengthThatNoPacketHas) {
  constexpr std::uint32_t kVersion3 = 3 << 16;
  for (const std::uint32_t length : {0U, 1U, 7U, 10'001U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    EXPECT_THAT(hear_every_split(make, packet(length, kVersion3) + "user"), Each(kClosed))
        << length;
  }
  EXPECT_EQ(hear(*make(), packet(9, 1234 << 16 | 5679)), kClosed);  // an SSLRequest with a tail
}

TEST(Postgresql, ReadsTheLongestPacketToItsEndAndNoFurther) {
  PostgresqlConversation conversation;
  const std::string packet_start = packet(10'000, 3 << 16);
  EXPECT_EQ(hear(conversation, packet_start + std::string(9991, 'x')), Outcome{});
  EXPECT_EQ(hear(conversation, "xyz"), kRefused);
  EXPECT_EQ(hear(*make(), packet(8, 3 << 16)), kRefused);  // the shortest
}

TEST(Postgresql, AnswersEveryVersion) {
  EXPECT_EQ(hear(*make(), packet(8, 3 << 16 | 2)), kRefused);
  EXPECT_EQ(hear(*make(), packet(8, 2 << 16)), kRefused);
}

TEST(Postgresql, AnswersTlsWithoutARequestWithAnAlert) {
  EXPECT_EQ(hear(*make(), "\x16\x03\x01"),
            (Outcome{"\x15\x03\x03\0\x02\x02\x50"s, Step::Next::kFinish}));
}

TEST(Postgresql, WaitsForTheRestAsLongAsTheClientIsThere) {
  PostgresqlConversation conversation;
  EXPECT_EQ(hear(conversation, kStartup.substr(0, 20)), Outcome{});
  EXPECT_EQ(conversation.patience_ended().next, Step::Next::kRead);
  EXPECT_EQ(conversation.input_ended().next, Step::Next::kClose);
}

}  // namespace
}  // namespace headgate::reply
