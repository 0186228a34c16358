// SPDX-License-Identifier: Apache-2.0
//
// The HTTP door as its clients see it.
#include <poll.h>

#include <gmock/gmock.h>

#include "daemon/doors/http_answer.h"
#include "daemon/doors/http_server.h"
#include "served.h"

namespace headgate::doors {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Http : public Served {
 protected:
  static void send_text(int fd, const std::string& text) {
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t count = send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;
      sent += static_cast<std::size_t>(count);
    }
  }
  // What comes until `end` has come, the server closes, or for some seconds.
  static std::string receive(int fd, const std::string& end = "",
                             milliseconds patience = seconds(5)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    std::string text;
    char buffer[4096];
    while (std::chrono::steady_clock::now() < deadline) {
      if (!end.empty() && text.find(end) != std::string::npos) break;
      pollfd one{fd, POLLIN, 0};
      if (poll(&one, 1, 50) == 0) continue;
      const ssize_t count = recv(fd, buffer, sizeof(buffer), 0);
      if (count <= 0) break;
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }
  UniqueFd connect() const { return connect_tcp(doors->http_port()); }

  // On a connection of its own.
  std::string ask(const std::string& request) const {
    const UniqueFd fd = connect();
    send_text(fd.get(), request);
    return receive(fd.get());
  }
  static std::string post_of(const std::string& body, const std::string& more = "") {
    return "POST /json HTTP/1.1\r\nHost: localhost\r\n" + more +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  std::string post(const std::string& body) const {
    return ask(post_of(body, "Connection: close\r\n"));
  }
  static std::string json_for(const std::string& key, const std::string& value = "a") {
    return R"({"domain":"test","descriptors":[{"entries":[{"key":")" + key + R"(","value":")" +
           value + R"("}]}]})";
  }
  void expect_service() const { EXPECT_THAT(post(json_for("many")), StartsWith("HTTP/1.1 200")); }
};

TEST_F(Http, WithinALimit) {
  const std::string answer = post(json_for("five"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("content-type: application/json\r\n"));
  EXPECT_THAT(answer, HasSubstr("ratelimit-policy: \"five\";q=5;w=31536000\r\n"));
  EXPECT_THAT(answer, HasSubstr("ratelimit: \"five\";r=4;t="));
  EXPECT_THAT(answer, Not(HasSubstr("retry-after")));
  EXPECT_THAT(answer, HasSubstr(R"("overallCode":"OK")"));
  EXPECT_THAT(answer, HasSubstr(R"("limitRemaining":4)"));
  EXPECT_THAT(answer, HasSubstr(R"("unit":"YEAR")"));
}

TEST_F(Http, OverALimit) {
  const std::string answer = post(json_for("none"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 429 Too Many Requests\r\n"));
  EXPECT_THAT(answer, HasSubstr("ratelimit: \"none\";r=0;"));
  EXPECT_THAT(answer, HasSubstr(R"("overallCode":"OVER_LIMIT")"));
}

TEST_F(Http, ALimitThatFreesSaysWhen) {
  post(json_for("two"));
  post(json_for("two"));
  const std::string answer = post(json_for("two"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(answer, HasSubstr("retry-after: "));
}

TEST_F(Http, BothDoorsCountTogether) {
  post(json_for("five", "both"));
  EXPECT_EQ(answer_to(request_of({{{"five", "both"}}})).statuses(0).limit_remaining(), 3U);
}

TEST_F(Http, FieldsInEitherSpellingAndUnknownOnes) {
  EXPECT_THAT(post(R"({"domain":"test","hits_addend":2,"new":{"a":[1]},"descriptors":[
                      {"entries":[{"key":"five","value":"x"}]}]})"),
              HasSubstr(R"("limitRemaining":3)"));
  EXPECT_THAT(post(R"({"domain":"test","hitsAddend":2,"descriptors":[
                      {"entries":[{"key":"five","value":"x"}]}]})"),
              HasSubstr(R"("limitRemaining":1)"));
  EXPECT_THAT(post(R"({"domain":"test","descriptors":[
                      {"entries":[{"key":"five","value":"x"}],"hits_addend":"0"}]})"),
              HasSubstr(R"("limitRemaining":1)"));
  EXPECT_THAT(post(R"({"domain":"test","descriptors":[{"entries":[{"key":"five","value":"y"}],
                      "limit":{"requests_per_unit":9,"unit":"HOUR"}}]})"),
              HasSubstr(R"("limitRemaining":8)"));
}

TEST_F(Http, WhatIsWrongIsSaid) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "JSON"},
      {"{", "JSON"},
      {"[]", "JSON"},
      {"{}", "domain"},
      {R"({"domain":"test"})", "descriptor"},
      {R"({"domain":"test","descriptors":[{}]})", "entries"},
      {R"({"domain":7})", "JSON"},
      {std::string(100'000, '['), "JSON"},
      {std::string("{\"domain\":\"\xff\xfe\"}"), "error"},
  };
  for (const auto& [body, part] : cases) {
    const std::string answer = post(body);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request\r\n")) << body.substr(0, 50);
    EXPECT_THAT(answer, HasSubstr("{\"error\":\"")) << body.substr(0, 50);
    EXPECT_THAT(answer, HasSubstr(part)) << body.substr(0, 50);
  }
}

TEST_F(Http, Healthcheck) {
  EXPECT_THAT(ask("GET /healthcheck?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              testing::AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), testing::EndsWith("\r\n\r\nOK")));
  EXPECT_THAT(ask("HEAD /healthcheck HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              testing::AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Length: 2\r\n"),
                             testing::EndsWith("\r\n\r\n")));
}

TEST_F(Http, OtherPathsAndMethods) {
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(ask("GET /json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              testing::AllOf(StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"),
                             HasSubstr("allow: POST\r\n")));
  EXPECT_THAT(ask("BREW /healthcheck HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              testing::AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("allow: GET, HEAD\r\n")));
}

TEST_F(Http, AConnectionIsKeptAndTakesSeveralRequestsAtOnce) {
  const UniqueFd fd = connect();
  for (int i = 0; i < 3; ++i) {
    send_text(fd.get(), post_of(json_for("many")));
    EXPECT_THAT(receive(fd.get(), "}]}"), StartsWith("HTTP/1.1 200"));
  }
  send_text(fd.get(), post_of(json_for("many")) + post_of(json_for("none")));
  EXPECT_THAT(receive(fd.get(), "OVER_LIMIT\",\"cur"), HasSubstr("HTTP/1.1 429"));
}

TEST_F(Http, Http10IsAnsweredAndClosed) {
  EXPECT_THAT(ask("GET /healthcheck HTTP/1.0\r\n\r\n"), HasSubstr("200 OK"));
}

TEST_F(Http, ABodyInChunks) {
  const std::string body = json_for("five", "chunks");
  const std::string half = body.substr(0, 16);  // 0x10
  std::string rest = body.substr(16);
  char length[16];
  snprintf(length, sizeof(length), "%zx", rest.size());
  EXPECT_THAT(ask("POST /json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n10\r\n" +
                  half + "\r\n" + length + "\r\n" + rest + "\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 200"));
}

TEST_F(Http, WhoAsksBeforeSendingTheBodyIsInvited) {
  const UniqueFd fd = connect();
  const std::string body = json_for("five");
  const std::string request = post_of(body, "Expect: 100-continue\r\nConnection: close\r\n");
  send_text(fd.get(), request.substr(0, request.size() - body.size()));
  EXPECT_EQ(receive(fd.get(), "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  send_text(fd.get(), body);
  EXPECT_THAT(receive(fd.get()), StartsWith("HTTP/1.1 200"));
}

TEST_F(Http, WhatIsTooLargeIsRefused) {
  EXPECT_THAT(post(std::string(HttpServer::kMaxBodyBytes + 1, 'x')),
              StartsWith("HTTP/1.1 413 Payload Too Large\r\n"));
  EXPECT_THAT(ask("POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("POST /json HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n50000\r\n" +
                  std::string(0x50000, 'x')),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431"));
  expect_service();
}

TEST_F(Http, GarbageIsRefused) {
  EXPECT_THAT(ask("garbage\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask(std::string("\0\1\2\3\r\n\r\n", 8)), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("POST /json HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  expect_service();
}

// More connections than there is room for, each in the middle of a request.
TEST_F(Http, SlowClientsBlockNobody) {
  std::vector<UniqueFd> slow;
  for (std::size_t i = 0; i < HttpServer::kMaxConnections + 100; ++i) {
    slow.push_back(connect());
    send_text(slow.back().get(), "POST /json HTTP/1.1\r\nHost: a\r\nContent-Le");
  }
  for (int i = 0; i < 5; ++i) expect_service();
  EXPECT_EQ(receive(slow.front().get(), "", seconds(2)), "") << "it has given way";
}

TEST_F(Http, ARequestThatTricklesInIsEnded) {
  const UniqueFd fd = connect();
  send_text(fd.get(), "POST /json HTTP/1.1\r\nX: ");
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [start] { return std::chrono::steady_clock::now() - start; };
  while (elapsed() < HttpServer::kRequest + seconds(5)) {
    pollfd one{fd.get(), POLLIN, 0};
    if (poll(&one, 1, 200) > 0) break;  // closed
    send_text(fd.get(), "x");
  }
  EXPECT_GT(elapsed(), HttpServer::kRequest - seconds(1));
  EXPECT_LT(elapsed(), HttpServer::kRequest + seconds(3));
}

TEST_F(Http, AnswersThatAreNeverReadCostABoundedAmount) {
  const UniqueFd fd = connect();
  timeval patience{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  std::string many;
  for (int i = 0; i < 100; ++i) many += post_of(json_for("many"));
  std::size_t sent = 0;  // until the server takes no more
  while (sent < 64 * 1024 * 1024) {
    const ssize_t count = send(fd.get(), many.data(), many.size(), MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += static_cast<std::size_t>(count);
  }
  EXPECT_LT(sent, 64U * 1024 * 1024);
  expect_service();
}

TEST(HttpAnswer, AnErrorIsGoodJsonWhateverItQuotes) {
  EXPECT_EQ(http_error(400, "a \"quoted\"\nline").body, R"({"error":"a \"quoted\"\nline"})");
  EXPECT_EQ(http_error(400, "a\xff z").body, R"({"error":"a? z"})");
}

}  // namespace
}  // namespace headgate::doors
