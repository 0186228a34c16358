// SPDX-License-Identifier: Apache-2.0
#include "daemon/reply/http.h"

#include <ctime>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conversations.h"

namespace headgate::reply {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using testing::AllOf;
using testing::Each;
using testing::EndsWith;
using testing::Field;
using testing::HasSubstr;
using testing::StartsWith;

std::unique_ptr<Conversation> make() {
  return std::make_unique<HttpConversation>([] { return 7s; });
}

const std::string kGet = "GET / HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n";
const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const auto kIs429 = AllOf(Field(&Outcome::sent, StartsWith("HTTP/1.1 429 Too Many Requests\r\n")),
                          Field(&Outcome::next, Step::Next::kFinish));

std::string body_of(const std::string& response) {
  return response.substr(response.find("\r\n\r\n") + 4);
}

// The value of a header, or "none".
std::string header_of(const std::string& response, const std::string& name) {
  const std::size_t at = response.find("\r\n" + name + ": ");
  if (at == std::string::npos || at > response.find("\r\n\r\n")) return "none";
  const std::size_t begin = at + name.size() + 4;
  return response.substr(begin, response.find("\r\n", begin) - begin);
}

std::string response_to(const std::string& request, std::chrono::seconds retry_after = 7s) {
  HttpConversation conversation([retry_after] { return retry_after; });
  return hear(conversation, request).sent;
}

TEST(Http, AnswersAHeadHoweverItIsCut) {
  EXPECT_THAT(hear_every_split(make, kGet), Each(kIs429));
}

TEST(Http, AnswersAtTheEndOfTheHeadAndNotBefore) {
  const auto conversation = make();
  EXPECT_EQ(hear(*conversation, std::string_view(kGet).substr(0, kGet.size() - 1)), Outcome{});
  EXPECT_THAT(hear(*conversation, "\n"), kIs429);
}

TEST(Http, TakesLinesThatEndWithoutCr) {
  EXPECT_THAT(hear_every_split(make, "GET / HTTP/1.0\nHost: x\n\n"), Each(kIs429));
}

TEST(Http, SkipsEmptyLinesBeforeTheRequest) {
  const auto conversation = make();
  EXPECT_EQ(hear(*conversation, "\r\n\r\n\r\n"), Outcome{});
  EXPECT_EQ(hear(*conversation, "\r\nHEAD / HTTP/1.1\r\n"), Outcome{});
  const Outcome outcome = hear(*conversation, "\r\n");
  EXPECT_THAT(outcome, kIs429);
  EXPECT_EQ(body_of(outcome.sent), "");
}

TEST(Http, SaysWhenToComeBackAndThatThisWasAll) {
  const std::string response = response_to(kGet);
  EXPECT_EQ(header_of(response, "Retry-After"), "7");
  EXPECT_EQ(header_of(response, "Connection"), "close");
  EXPECT_EQ(header_of(response, "Cache-Control"), "no-store");
  EXPECT_THAT(header_of(response, "Content-Type"), StartsWith("text/plain"));
  EXPECT_EQ(header_of(response, "Content-Length"), std::to_string(body_of(response).size()));
  EXPECT_THAT(body_of(response), HasSubstr("try again in 7 seconds"));
}

TEST(Http, RetryAfterIsASecondAtLeast) {
  for (const auto seconds : {-5s, 0s, 1s}) {
    const std::string response = response_to(kGet, seconds);
    EXPECT_EQ(header_of(response, "Retry-After"), "1");
    EXPECT_THAT(body_of(response), EndsWith("try again in 1 second.\n"));
  }
  EXPECT_EQ(header_of(response_to(kGet, std::chrono::seconds::max()), "Retry-After"),
            std::to_string(std::numeric_limits<std::int64_t>::max()));
}

TEST(Http, TheDateIsNowInTheFormOfHttp) {
  std::tm date{};
  const std::string text = header_of(response_to(kGet), "Date");
  const char* const end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  ASSERT_TRUE(end != nullptr && *end == '\0') << text;
  EXPECT_EQ(text.size(), 29U);
  EXPECT_NEAR(static_cast<double>(timegm(&date)), static_cast<double>(std::time(nullptr)), 2);
}

TEST(Http, HeadGetsTheSameHeadAndNoBody) {
  const std::string get = response_to(kGet);
  const std::string head = response_to("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(body_of(head), "");
  EXPECT_EQ(header_of(head, "Content-Length"), header_of(get, "Content-Length"));
  for (const Outcome& outcome : hear_every_split(make, "HEAD / HTTP/1.0\r\n\r\n")) {
    EXPECT_EQ(body_of(outcome.sent), "");
  }
  EXPECT_NE(body_of(response_to("HEADS / HTTP/1.1\r\n\r\n")), "");
}

TEST(Http, AnswersHttp2WithGoaway) {
  const std::string settings = "\0\0\0\x04\0\0\0\0\0"s;
  const std::string goaway =
      "\0\0\x1c\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b"
      "too many connections"s;
  EXPECT_THAT(hear_every_split(make, kPreface),
              Each(Outcome{settings + goaway, Step::Next::kFinish}));
}

TEST(Http, AnswersTlsWithAnAlertAtItsFirstByte) {
  const Outcome alert{"\x15\x03\x03\0\x02\x02\x50"s, Step::Next::kFinish};
  EXPECT_THAT(hear_every_split(make, "\x16\x03\x01\x02"), Each(alert));
}

TEST(Http, AnswersWhatIsThereWhenPatienceOrInputEnds) {
  for (const std::string request :
       {"G", "GET / HTTP/1.1\r\nHost: x\r\n", "GET /\r\n", "\xff\xfe"}) {
    const auto impatient = make();
    EXPECT_EQ(hear(*impatient, request), Outcome{});
    EXPECT_EQ(impatient->patience_ended().next, Step::Next::kFinish);
    const auto ended = make();
    EXPECT_EQ(hear(*ended, request), Outcome{});
    EXPECT_EQ(ended->input_ended().next, Step::Next::kFinish);
  }
}

TEST(Http, AnswersNobodyWhoAskedNothing) {
  EXPECT_EQ(make()->input_ended().next, Step::Next::kClose);
}

// What is kept does not grow with the head: the object is all there is, and its text is short.
TEST(Http, AHeadWithoutAnEndIsReadAsLongAsItComes) {
  const auto conversation = make();
  const std::string line = "X-Filler: " + std::string(4000, 'x') + "\r\n";
  EXPECT_EQ(hear(*conversation, "GET / HTTP/1.1\r\n"), Outcome{});
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(hear(*conversation, line), Outcome{});
  EXPECT_THAT(hear(*conversation, "\r\n"), kIs429);
}

}  // namespace
}  // namespace headgate::reply
