// SPDX-License-Identifier: Apache-2.0
// Many clients, and clients that mean harm.
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/reply/reply_server.h"
#include "loopback.h"

namespace headgate::reply {
namespace {

using namespace std::chrono_literals;
using testing::StartsWith;

constexpr char kRequest[] = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";

// How long until each of `count` clients, one after the other, has the first byte after `request`.
std::vector<std::chrono::microseconds> answer_times(std::uint16_t port, std::string_view request,
                                                    int count) {
  std::vector<std::chrono::microseconds> times;
  for (int i = 0; i < count; ++i) {
    const UniqueFd client = connected(port);
    const auto begin = SteadyClock::now();
    if (!request.empty()) say(client, request);
    char byte = 0;
    check(recv(client.get(), &byte, 1, 0) == 1, "recv");
    times.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begin));
  }
  std::sort(times.begin(), times.end());
  return times;
}

// The promise is 10 ms for each. On a busy machine with few cores a thread may wait longer than
// that for its turn, so what is held to it here is the typical answer, and nearly all to a few
// times it.
void expect_prompt(const std::vector<std::chrono::microseconds>& times) {
  const auto median = times.at(times.size() / 2);
  const auto most = times.at(times.size() * 95 / 100);
  EXPECT_LT(median, 10ms);
  EXPECT_LT(most, 50ms);
  testing::Test::RecordProperty("median_us", std::to_string(median.count()));
  testing::Test::RecordProperty("most_us", std::to_string(most.count()));
  testing::Test::RecordProperty("longest_us", std::to_string(times.back().count()));
}

TEST(Hostile, AnswersAreSoonWithFiveHundredIdleConnectionsOpen) {
  allow_files(4096);
  const OneReply http(config::ReplyKind::kHttp429);
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 500; ++i) idle.push_back(connected(http.ports.ipv4));
  expect_prompt(answer_times(http.ports.ipv4, kRequest, 200));
  EXPECT_GE(http.server.counts().open, 500U);  // they last a second
}

TEST(Hostile, ARequestThatDoesNotEndIsAnsweredTenMillisecondsAfterItBegan) {
  const OneReply http(config::ReplyKind::kHttp429);
  const auto times = answer_times(http.ports.ipv4, "GET / HTTP/1.1\r\n", 50);
  EXPECT_GE(times.front(), 8ms);
  EXPECT_LT(times.at(times.size() / 2), 15ms);
}

TEST(Hostile, AThousandAtOnceOfWhichHalfSayNothing) {
  allow_files(4096);
  const OneReply http(config::ReplyKind::kHttp429);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 1000; ++i) clients.push_back(connected(http.ports.ipv4));
  for (std::size_t i = 0; i < clients.size(); i += 2) say(clients[i], kRequest);
  for (std::size_t i = 0; i < clients.size(); i += 2) {
    const Heard heard = hear_all(clients[i]);
    EXPECT_THAT(heard.bytes, StartsWith("HTTP/1.1 429 ")) << i;
    EXPECT_EQ(heard.error, 0) << i;
    clients[i].reset();
  }
  for (std::size_t i = 1; i < clients.size(); i += 2) {
    EXPECT_EQ(hear_all(clients[i]).error, ECONNRESET) << i;
  }
  ASSERT_TRUE(becomes_true([&] { return http.server.counts().open == 0; }));
  EXPECT_EQ(http.server.counts().answered, 500U);
  EXPECT_EQ(http.server.counts().abandoned, 500U);
  EXPECT_EQ(http.server.counts().reset, 0U);
}

TEST(Hostile, AFloodOnOneListenerDoesNotDelayAnother) {
  allow_files(8192);
  OneReply flooded(config::ReplyKind::kRedis);
  const Ports other = add(flooded.server, 1, {config::ReplyKind::kHttp429, ""});
  std::atomic<bool> stop = false;
  std::atomic<int> connections = 0;
  std::thread flood([&] {
    while (!stop) {
      const UniqueFd client = connected(flooded.ports.ipv4);
      ++connections;
    }
  });
  const auto times = answer_times(other.ipv4, kRequest, 200);
  stop = true;
  flood.join();
  EXPECT_GT(connections, 100);
  expect_prompt(times);
}

// More than the kernel's buffers of both sides hold, so that the rest waits in the server.
const std::string kHuge(32 * 1024 * 1024, 'x');

TEST(Hostile, AClientThatNeverReadsDelaysNobodyAndIsResetAfterASecond) {
  OneReply huge(config::ReplyKind::kRaw, kHuge);
  const Ports other = add(huge.server, 1, {config::ReplyKind::kRedis, ""});
  const UniqueFd client = connected(huge.ports.ipv4);
  const auto begin = SteadyClock::now();
  expect_prompt(answer_times(other.ipv4, "", 100));
  ASSERT_TRUE(becomes_true([&] { return huge.server.counts().abandoned == 1; }));
  EXPECT_GE(since(begin), 900ms);
  EXPECT_LT(since(begin), 1500ms);
}

TEST(Hostile, AnAnswerThatTheSocketTakesInPartsArrivesWhole) {
  const OneReply huge(config::ReplyKind::kRaw, kHuge);
  const UniqueFd client = connected(huge.ports.ipv4);
  std::this_thread::sleep_for(50ms);
  const Heard heard = hear_all(client);
  EXPECT_EQ(heard.error, 0);
  EXPECT_TRUE(heard.bytes == kHuge) << heard.bytes.size();
}

TEST(Hostile, AClientThatSendsWithoutEndIsReadToABoundAndDelaysNobody) {
  const OneReply http(config::ReplyKind::kHttp429);
  const UniqueFd client = tcp_socket();
  const int small = 64 * 1024;
  setsockopt(client.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
  connect_to(client, http.ports.ipv4);
  say(client, "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n");
  fcntl(client.get(), F_SETFL, O_NONBLOCK);
  const auto begin = SteadyClock::now();
  const std::string block(64 * 1024, 'x');
  std::size_t sent = 0;
  std::thread others([&] { expect_prompt(answer_times(http.ports.ipv4, kRequest, 50)); });
  while (since(begin) < 800ms) {
    const ssize_t size = send(client.get(), block.data(), block.size(), MSG_NOSIGNAL);
    if (size > 0) sent += static_cast<std::size_t>(size);
    if (size < 0) std::this_thread::sleep_for(1ms);
  }
  others.join();
  EXPECT_GT(sent, 1024U * 1024);
  EXPECT_LT(sent, 2U * 1024 * 1024);
  std::string answer(4096, '\0');
  EXPECT_GT(recv(client.get(), answer.data(), answer.size(), 0), 0);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 429 "));
  ASSERT_TRUE(becomes_true([&] { return http.server.counts().open == 0; }));
  EXPECT_LT(since(begin), 1500ms);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Sets the number of files that this process may open, until the end of the scope.
class FileLimit {
 public:
  explicit FileLimit(int files) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(files);
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  }
  ~FileLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
};

// The lowest number that the next file would get.
int next_file() {
  return UniqueFd(dup(0)).get();
}

TEST(Hostile, WithoutFileDescriptorsTheRestIsReset) {
  const OneReply http(config::ReplyKind::kHttp429);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(tcp_socket());
  {
    const FileLimit limit(next_file() + 5);
    for (const UniqueFd& client : clients) connect_to(client, http.ports.ipv4);
    ASSERT_TRUE(becomes_true([&] { return http.server.counts().reset == 15; }));
    EXPECT_EQ(http.server.counts().open, 5U);
    say(clients[0], kRequest);
    EXPECT_THAT(hear_all(clients[0]).bytes, StartsWith("HTTP/1.1 429 "));
    EXPECT_EQ(hear_all(clients[19]).error, ECONNRESET);
  }
  const UniqueFd later = connected(http.ports.ipv4);
  say(later, kRequest);
  EXPECT_THAT(hear_all(later).bytes, StartsWith("HTTP/1.1 429 "));
}

// A limit below every file that is open: not even the reserve helps.
TEST(Hostile, WithNoFileDescriptorAtAllItWaitsWithoutSpinning) {
  const OneReply http(config::ReplyKind::kHttp429);
  const UniqueFd client = tcp_socket();
  {
    const FileLimit limit(0);
    connect_to(client, http.ports.ipv4);
    say(client, kRequest);
    const double before = cpu_seconds();
    std::this_thread::sleep_for(500ms);
    EXPECT_LT(cpu_seconds() - before, 0.1);
    EXPECT_EQ(http.server.counts().open, 0U);
  }
  EXPECT_THAT(hear_all(client).bytes, StartsWith("HTTP/1.1 429 "));
}

TEST(Hostile, AServerWithNothingToDoDoesNothing) {
  const OneReply redis(config::ReplyKind::kRedis);
  EXPECT_FALSE(hear_all(connected(redis.ports.ipv4)).bytes.empty());
  const UniqueFd lingering = connected(redis.ports.ipv4);
  const double before = cpu_seconds();
  std::this_thread::sleep_for(500ms);
  EXPECT_LT(cpu_seconds() - before, 0.1);
}

}  // namespace
}  // namespace headgate::reply
