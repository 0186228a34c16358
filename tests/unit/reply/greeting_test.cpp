// SPDX-License-Identifier: Apache-2.0
#include "daemon/reply/greeting.h"

#include <gtest/gtest.h>

namespace headgate::reply {
namespace {

using namespace std::string_literals;

TEST(Greeting, IsWhatTheProtocolsOwnServersSend) {
  EXPECT_EQ(greeting({config::ReplyKind::kRedis, ""}), "-ERR max number of clients reached\r\n");
  EXPECT_EQ(greeting({config::ReplyKind::kMysql, ""}),
            "\x17\0\0\0\xff\x10\x04Too many connections"s);
  EXPECT_EQ(greeting({config::ReplyKind::kSmtp421, ""}),
            "421 4.3.2 Too many connections, try again later\r\n");
}

TEST(Greeting, RawIsSentAsItStands) {
  const std::string bytes = "\0\xff no\r\n\0"s;
  EXPECT_EQ(greeting({config::ReplyKind::kRaw, bytes}), bytes);
}

TEST(Greeting, WaitsForNothing) {
  for (const auto kind : {config::ReplyKind::kRedis, config::ReplyKind::kMysql,
                          config::ReplyKind::kSmtp421, config::ReplyKind::kRaw}) {
    const config::Reply reply{kind, "full"};
    const auto conversation = begin_conversation(reply, nullptr);
    const Step step = conversation->opened();
    EXPECT_EQ(step.next, Step::Next::kFinish);
    EXPECT_EQ(step.send, greeting(reply));
  }
}

}  // namespace
}  // namespace headgate::reply
