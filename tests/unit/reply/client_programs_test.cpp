// SPDX-License-Identifier: Apache-2.0
// What the clients that people use make of the answers.
#include <sys/wait.h>

#include <array>
#include <cstdio>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/reply/reply_server.h"
#include "loopback.h"

namespace headgate::reply {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Ran {
  int status = 0;
  std::string output;  // and errors
  milliseconds duration{0};
};

// Runs a program with what the shell command `feed` prints as its input. A program that is not
// there is an error, not a pass.
Ran run(const std::string& program, const std::string& feed = "true") {
  const auto begin = SteadyClock::now();
  const std::string limited = "{ " + feed + " | timeout 10 " + program + "; } 2>&1";
  FILE* const pipe = popen(limited.c_str(), "re");
  check(pipe != nullptr, "popen");
  Ran ran;
  std::array<char, 4096> buffer{};
  for (std::size_t size = 1; size > 0;) {
    size = fread(buffer.data(), 1, buffer.size(), pipe);
    ran.output.append(buffer.data(), size);
  }
  ran.status = WEXITSTATUS(pclose(pipe));
  ran.duration = since(begin);
  if (ran.status == 127) throw std::runtime_error("this test needs the program: " + ran.output);
  return ran;
}

class Curl : public testing::Test {
 protected:
  Ran curl(const std::string& options, const std::string& scheme = "http",
           const std::string& feed = "true") {
    return run("curl -q -sS --noproxy '*' " + options + " " + scheme +
                   "://127.0.0.1:" + std::to_string(http_.ports.ipv4) + "/",
               feed);
  }
  OneReply http_{config::ReplyKind::kHttp429};
};

TEST_F(Curl, ShowsStatusWaitAndBody) {
  const Ran ran = curl("-i");
  EXPECT_EQ(ran.status, 0) << ran.output;
  EXPECT_THAT(ran.output, StartsWith("HTTP/1.1 429 Too Many Requests\r\n"));
  EXPECT_THAT(ran.output, HasSubstr("\r\nRetry-After: 7\r\n"));
  EXPECT_THAT(ran.output, HasSubstr("try again in 7 seconds.\n"));
}

TEST_F(Curl, SpeaksHttp10) {
  const Ran ran = curl("--http1.0 -o /dev/null -w '%{http_code} %{size_download}'");
  EXPECT_EQ(ran.status, 0) << ran.output;
  EXPECT_THAT(ran.output, StartsWith("429 "));
  EXPECT_THAT(ran.output, Not(testing::EndsWith(" 0")));
}

TEST_F(Curl, SpeaksHead) {
  const Ran ran = curl("-I -v");
  EXPECT_EQ(ran.status, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("HTTP/1.1 429 Too Many Requests"));
  EXPECT_THAT(ran.output, Not(HasSubstr("xcess")));  // "Excess found": a body that should not be
}

TEST_F(Curl, ReadsTheAnswerWhileItUploadsMoreThanTheServerReads) {
  const Ran ran =
      curl("-H 'Expect:' --data-binary @- -w '%{http_code}'", "http", "head -c 8000000 /dev/zero");
  EXPECT_EQ(ran.status, 0) << ran.output;
  EXPECT_THAT(ran.output, testing::EndsWith("429"));
}

TEST_F(Curl, OverIpv6) {
  const Ran ran = run("curl -q -sS --noproxy '*' -w '%{http_code}' -o /dev/null http://[::1]:" +
                      std::to_string(http_.ports.ipv6) + "/");
  EXPECT_EQ(ran.output, "429");
}

TEST_F(Curl, WithHttp2FailsAtOnceAndSaysWhy) {
  const Ran ran = curl("-v --http2-prior-knowledge");
  EXPECT_NE(ran.status, 0) << ran.output;
  EXPECT_LT(ran.duration, 900ms);
  // ENHANCE_YOUR_CALM
  EXPECT_THAT(ran.output, testing::ContainsRegex("GOAWAY.*error=11"));
}

TEST_F(Curl, WithTlsFailsAtOnceWithAnErrorOfTls) {
  const Ran ran = curl("", "https");
  EXPECT_EQ(ran.status, 35) << ran.output;  // CURLE_SSL_CONNECT_ERROR
  EXPECT_LT(ran.duration, 900ms);
  EXPECT_THAT(ran.output, HasSubstr("alert internal error"));
}

TEST(RedisCli, ShowsTheError) {
  const OneReply redis(config::ReplyKind::kRedis);
  const Ran ran =
      run(std::string("redis-cli -h 127.0.0.1 -p ") + std::to_string(redis.ports.ipv4) + " PING");
  EXPECT_THAT(ran.output, HasSubstr("ERR max number of clients reached"));
}

class Mysql : public testing::Test {
 protected:
  Ran client(const std::string& options) {
    return run("mariadb --no-defaults " + options + " -h 127.0.0.1 -u nobody -P " +
               std::to_string(mysql_.ports.ipv4) + " -e 'SELECT 1'");
  }
  OneReply mysql_{config::ReplyKind::kMysql};
};

TEST_F(Mysql, ShowsError1040) {
  const Ran ran = client("--skip-ssl");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.output, HasSubstr("ERROR 1040 (HY000): Too many connections\n"));
}

// MariaDB's client adds that nobody vouches for an error that comes before TLS. A real server's
// comes then too: the client cannot ask for TLS earlier.
TEST_F(Mysql, ShowsItAlsoWhereTlsIsTheDefault) {
  const Ran ran = client("");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.output, testing::ContainsRegex("1040.*Too many connections"));
}

class Psql : public testing::Test {
 protected:
  Ran psql(const std::string& ssl_mode) {
    return run("psql -X -w 'host=127.0.0.1 user=nobody dbname=x connect_timeout=5 sslmode=" +
               ssl_mode + " port=" + std::to_string(postgresql_.ports.ipv4) + "' -c 'SELECT 1'");
  }
  OneReply postgresql_{config::ReplyKind::kPostgresql};
};

TEST_F(Psql, ShowsTheErrorWhetherItPrefersTlsOrNot) {
  for (const char* const mode : {"disable", "allow", "prefer"}) {
    const Ran ran = psql(mode);
    EXPECT_EQ(ran.status, 2) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr("FATAL:  sorry, too many clients already")) << mode;
    EXPECT_LT(ran.duration, 900ms) << mode;
  }
}

TEST_F(Psql, ThatInsistsOnTlsFailsAtOnce) {
  const Ran ran = psql("require");
  EXPECT_EQ(ran.status, 2) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("server does not support SSL, but SSL was required"));
  EXPECT_LT(ran.duration, 900ms);
}

TEST(Msmtp, ShowsTheServersWords) {
  const OneReply smtp(config::ReplyKind::kSmtp421);
  const Ran ran =
      run("msmtp --host=127.0.0.1 --tls=off --auth=off --from=a@example.com"
          " --port=" +
          std::to_string(smtp.ports.ipv4) + " b@example.com");
  EXPECT_THAT(ran.output, HasSubstr("421 4.3.2 Too many connections, try again later"));
  EXPECT_EQ(ran.status, 76) << ran.output;  // EX_PROTOCOL: what msmtp makes of any greeting but 220
  EXPECT_LT(ran.duration, 900ms);
}

}  // namespace
}  // namespace headgate::reply
