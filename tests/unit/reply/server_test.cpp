// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sched.h>

#include <mutex>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/reply/reply_server.h"
#include "loopback.h"

namespace headgate::reply {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kRequest[] = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
constexpr char kRedisRefusal[] = "-ERR max number of clients reached\r\n";

TEST(OpenListeners, AreNotInheritedAndDoNotBlock) {
  const Result<Listeners> listeners = open_listeners();
  ASSERT_TRUE(listeners) << listeners.error().to_string();
  for (const UniqueFd* fd : {&listeners->ipv4, &listeners->ipv6}) {
    EXPECT_NE(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(fcntl(fd->get(), F_GETFL) & O_NONBLOCK, 0);
  }
}

TEST(OpenListeners, WorkInANamespaceWhoseLoopbackIsDown) {
  const auto in_new_namespace = [] {
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) _exit(2);
    _exit(open_listeners() ? 0 : 1);
  };
  EXPECT_EXIT(in_new_namespace(), testing::ExitedWithCode(0), "")
      << "2 means that this user may not make a network namespace";
}

TEST(ReplyServer, GreetsOverBothFamiliesAndClosesInOrder) {
  const OneReply redis(config::ReplyKind::kRedis);
  for (const UniqueFd& client : {connected(redis.ports.ipv4), connected_ipv6(redis.ports.ipv6)}) {
    const Heard heard = hear_all(client);
    EXPECT_EQ(heard.bytes, kRedisRefusal);
    EXPECT_EQ(heard.error, 0);
  }
  EXPECT_TRUE(becomes_true([&] { return redis.server.counts().answered == 2; }));
  EXPECT_EQ(redis.server.counts().open, 0U);
}

TEST(ReplyServer, AsksForTheWaitWithBothAddressesAndThePort) {
  std::mutex mutex;
  std::vector<Refused> asked;
  const OneReply http(config::ReplyKind::kHttp429, "", 16, [&](const Refused& refused) {
    const std::lock_guard lock(mutex);
    asked.push_back(refused);
    return 42s;
  });
  UniqueFd client = tcp_socket();
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = inet_addr("127.0.0.77");
  ASSERT_EQ(bind(client.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)), 0);
  connect_to(client, http.ports.ipv4);
  say(client, kRequest);
  EXPECT_THAT(hear_all(client).bytes, HasSubstr("\r\nRetry-After: 42\r\n"));
  client = connected_ipv6(http.ports.ipv6);
  say(client, kRequest);
  EXPECT_THAT(hear_all(client).bytes, HasSubstr("\r\nRetry-After: 42\r\n"));

  const std::lock_guard lock(mutex);
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].client.to_string(), "127.0.0.77");
  EXPECT_EQ(asked[0].server.to_string(), "127.0.0.1");
  EXPECT_EQ(asked[0].port, http.ports.ipv4);
  EXPECT_EQ(asked[1].client.to_string(), "::1");
  EXPECT_EQ(asked[1].server.to_string(), "::1");
  EXPECT_EQ(asked[1].port, http.ports.ipv6);
}

// Were the socket closed with the body unread, the RST would overtake the answer.
TEST(ReplyServer, AClientThatSendsMuchBeforeItReadsGetsTheWholeAnswer) {
  const OneReply http(config::ReplyKind::kHttp429);
  const UniqueFd client = connected(http.ports.ipv4);
  say(client,
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x'));
  std::this_thread::sleep_for(100ms);
  const Heard heard = hear_all(client);
  EXPECT_THAT(heard.bytes, EndsWith("try again in 7 seconds.\n"));
  EXPECT_EQ(heard.error, 0);
}

TEST(ReplyServer, AnswersAClientThatClosedItsSide) {
  const OneReply http(config::ReplyKind::kHttp429);
  const UniqueFd client = connected(http.ports.ipv4);
  say(client, "GET / HT");
  shutdown(client.get(), SHUT_WR);
  const Heard heard = hear_all(client);
  EXPECT_THAT(heard.bytes, StartsWith("HTTP/1.1 429 "));
  EXPECT_EQ(heard.error, 0);
}

TEST(ReplyServer, CountsAClientThatLeavesWithoutAWordAsAbandoned) {
  const OneReply http(config::ReplyKind::kHttp429);
  connected(http.ports.ipv4).reset();
  EXPECT_TRUE(becomes_true([&] { return http.server.counts().abandoned == 1; }));
  EXPECT_EQ(http.server.counts().answered, 0U);
}

TEST(ReplyServer, ResetsAfterASecondWhoeverSaysNothing) {
  const OneReply postgresql(config::ReplyKind::kPostgresql);
  const UniqueFd client = connected(postgresql.ports.ipv4);
  const auto begin = SteadyClock::now();
  const Heard heard = hear_all(client);
  EXPECT_EQ(heard.error, ECONNRESET);
  EXPECT_GE(since(begin), 950ms);
  EXPECT_LT(since(begin), 1500ms);
  EXPECT_TRUE(becomes_true([&] { return postgresql.server.counts().abandoned == 1; }));
}

TEST(ReplyServer, ResetsAfterASecondWhoeverTalksWithoutEnd) {
  const OneReply postgresql(config::ReplyKind::kPostgresql);
  const UniqueFd client = connected(postgresql.ports.ipv4);
  const auto begin = SteadyClock::now();
  say(client, std::string_view("\0\0\x20\0\0\x03\0\0", 8));  // 8 KiB to come
  ssize_t sent = 1;
  while (sent == 1 && since(begin) < 3s) {
    std::this_thread::sleep_for(20ms);
    sent = send(client.get(), "x", 1, MSG_NOSIGNAL);
  }
  EXPECT_GE(since(begin), 950ms);
  EXPECT_LT(since(begin), 1500ms);
}

TEST(ReplyServer, ResetsAfterASecondWhoeverStaysAfterTheAnswer) {
  const OneReply redis(config::ReplyKind::kRedis);
  const UniqueFd client = connected(redis.ports.ipv4);
  const auto begin = SteadyClock::now();
  EXPECT_EQ(hear_all(client).bytes, kRedisRefusal);
  EXPECT_LT(since(begin), 500ms);
  EXPECT_EQ(redis.server.counts().open, 1U);
  ASSERT_TRUE(becomes_true([&] { return redis.server.counts().open == 0; }));
  EXPECT_GE(since(begin), 950ms);
  EXPECT_LT(since(begin), 1500ms);
  EXPECT_EQ(redis.server.counts().answered, 1U);
}

TEST(ReplyServer, ResetsWhatIsOverTheBoundAtOnce) {
  const OneReply http(config::ReplyKind::kHttp429, "", 2);
  const UniqueFd first = connected(http.ports.ipv4);
  const UniqueFd second = connected(http.ports.ipv4);
  ASSERT_TRUE(becomes_true([&] { return http.server.counts().open == 2; }));
  const auto begin = SteadyClock::now();
  EXPECT_EQ(hear_all(connected(http.ports.ipv4)).error, ECONNRESET);
  EXPECT_LT(since(begin), 500ms);
  EXPECT_EQ(http.server.counts().reset, 1U);

  say(first, kRequest);
  EXPECT_THAT(hear_all(first).bytes, StartsWith("HTTP/1.1 429 "));
}

TEST(ReplyServer, TheEndOfTheServerResetsWhatIsOpen) {
  UniqueFd client;
  {
    const OneReply http(config::ReplyKind::kHttp429);
    client = connected(http.ports.ipv4);
    ASSERT_TRUE(becomes_true([&] { return http.server.counts().open == 1; }));
  }
  EXPECT_EQ(hear_all(client).error, ECONNRESET);
}

TEST(ReplyServer, EachSlotHasItsReply) {
  OneReply first(config::ReplyKind::kRaw, "first");
  const Ports second = add(first.server, 7, {config::ReplyKind::kRaw, "second"});
  EXPECT_EQ(hear_all(connected(first.ports.ipv4)).bytes, "first");
  EXPECT_EQ(hear_all(connected(second.ipv4)).bytes, "second");
}

TEST(ReplyServer, ASlotInUseIsAnError) {
  OneReply redis(config::ReplyKind::kRedis);
  Result<Listeners> listeners = open_listeners();
  ASSERT_TRUE(listeners);
  const Result<void> added =
      redis.server.add(0, {config::ReplyKind::kRaw, "x"}, std::move(*listeners));
  ASSERT_FALSE(added);
  EXPECT_THAT(added.error().message, HasSubstr("slot 0"));
  EXPECT_EQ(hear_all(connected(redis.ports.ipv4)).bytes, kRedisRefusal);
}

TEST(ReplyServer, RemovingASlotEndsItsListenersAndNoConnection) {
  OneReply http(config::ReplyKind::kHttp429);
  const UniqueFd client = connected(http.ports.ipv4);
  http.server.remove(0);
  http.server.remove(0);   // twice is once
  http.server.remove(99);  // and nothing is nothing
  const Ports ports = add(http.server, 0, {config::ReplyKind::kRaw, "again"});
  EXPECT_EQ(hear_all(connected(ports.ipv4)).bytes, "again");
  EXPECT_THROW(connected(http.ports.ipv4), std::system_error);
  say(client, kRequest);
  EXPECT_THAT(hear_all(client).bytes, StartsWith("HTTP/1.1 429 "));
}

// The kernel resets what waits at a listener that closes.
TEST(ReplyServer, RemovingASlotLetsInThoseWhoWaitAtItsListeners) {
  std::mutex busy;
  OneReply http(config::ReplyKind::kHttp429, "", 16, [&](const Refused&) {
    const std::lock_guard lock(busy);
    return 1s;
  });
  const UniqueFd first = connected(http.ports.ipv4);
  UniqueFd waiting;
  {
    const std::lock_guard lock(busy);  // holds the server's thread at its first answer
    say(first, kRequest);
    std::this_thread::sleep_for(50ms);
    waiting = connected(http.ports.ipv4);
    say(waiting, kRequest);
    http.server.remove(0);
  }
  EXPECT_THAT(hear_all(waiting).bytes, StartsWith("HTTP/1.1 429 "));
}

TEST(ReplyServer, SlotsComeAndGoUnderLoad) {
  OneReply steady(config::ReplyKind::kRaw, "steady");
  std::thread changes([&] {
    for (std::uint32_t i = 1; i <= 300; ++i) {
      const Ports ports = add(steady.server, i, {config::ReplyKind::kRaw, std::to_string(i)});
      EXPECT_EQ(hear_all(connected(ports.ipv4)).bytes, std::to_string(i));
      steady.server.remove(i);
    }
  });
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(hear_all(connected(steady.ports.ipv4)).bytes, "steady");
  }
  changes.join();
}

}  // namespace
}  // namespace headgate::reply
