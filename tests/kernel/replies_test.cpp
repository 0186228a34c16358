// SPDX-License-Identifier: Apache-2.0
// on_limit: reply, as the real client programs of each protocol see it.
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

using testing::HasSubstr;

constexpr const char* kBusy = "busy, try later\n";

// Keys of a rule that answers whoever holds `per_client` connections.
std::string replying(const std::string& reply, int per_client = 1) {
  return web_with("connections: { per_client: " + std::to_string(per_client) +
                  " }\non_limit: reply\nreply: " + reply);
}
const std::string kRaw = R"({ raw: "busy, try later\n" })";

// Everything until the peer closes; none if it does not in time, or resets the connection.
std::optional<std::string> read_all(const UniqueFd& socket) {
  std::string all;
  char part[4096];
  pollfd wanted{socket.get(), POLLIN, 0};
  while (::poll(&wanted, 1, 3000) == 1) {
    const auto size = ::recv(socket.get(), part, sizeof part, 0);
    if (size < 0) return std::nullopt;
    if (size == 0) return all;
    all.append(part, static_cast<std::size_t>(size));
  }
  return std::nullopt;
}

class Reply : public testing::Test {
 protected:
  CommandResult run(const std::vector<std::string>& program) const {
    return run_command(program, {.network = &lab_.client(0).network()});
  }
  std::string curl(const std::string& host) const {
    return run({"curl", "-q", "-sS", "--noproxy", "*", "-i",
                "http://" + host + ":" + std::to_string(kPort) + "/"})
        .output;
  }
  // What a refused client of the host reads.
  std::optional<std::string> answer(const Host& client, const Endpoint& to) const {
    const ConnectResult result = client.connect(to);
    return result.connected() ? read_all(result.socket) : std::nullopt;
  }
  double refused_by(const Headgated& headgated, const std::string& action) const {
    return headgated.metrics().counted(
        "headgate_refused_total{rule=\"web\",reason="
        "\"client_connections\",action=\"" +
        action + "\"}");
  }

  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Endpoint web_ipv6_ = lab_.server_ipv6(kPort);
};

struct Protocol {
  const char* name;
  const char* reply;
  std::vector<std::string> program;
  const char* shows;
};

void PrintTo(const Protocol& protocol, std::ostream* out) {
  *out << protocol.name;
}

class ReplyTo : public Reply, public testing::WithParamInterface<Protocol> {};

TEST_P(ReplyTo, IsShownByTheRealClientAndCountedForNobody) {
  const Server server(lab_.server(), {address("::"), kPort}, {.dual_stack = true});
  const Headgated headgated(lab_.server(), replying(GetParam().reply));
  const auto held = hold(lab_.client(0), web_, 1);
  const CommandResult result = run(GetParam().program);
  EXPECT_THAT(result.output, HasSubstr(GetParam().shows));

  EXPECT_EQ(server.accepted(), 1U) << "the server is left in peace";
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 1));
  EXPECT_EQ(counted_at("per_client", headgated, "10.0.1.2", web_), 1U);
  EXPECT_EQ(headgated.rule("web").admitted, 1U);
  EXPECT_GE(refused_by(headgated, "reply"), 1);
  EXPECT_EQ(refused_by(headgated, "reset"), 0);
}

INSTANTIATE_TEST_SUITE_P(
    From, ReplyTo,
    testing::Values(
        Protocol{"Curl",
                 "http-429",
                 {"curl", "-q", "-sS", "--noproxy", "*", "-i", "http://10.0.0.1:8080/"},
                 "HTTP/1.1 429 Too Many Requests\r\n"},
        Protocol{"RedisCli",
                 "redis",
                 {"redis-cli", "-h", "10.0.0.1", "-p", "8080", "PING"},
                 "ERR max number of clients reached"},
        Protocol{"Mariadb",
                 "mysql",
                 {"mariadb", "--no-defaults", "--skip-ssl", "-h", "10.0.0.1", "-P", "8080", "-u",
                  "nobody", "-e", "SELECT 1"},
                 "ERROR 1040 (HY000): Too many connections"},
        Protocol{"PsqlThatAsksForTlsFirst",
                 "postgresql",
                 {"psql", "-X", "-w",
                  "host=10.0.0.1 port=8080 user=nobody dbname=x connect_timeout=5 sslmode=prefer",
                  "-c", "SELECT 1"},
                 "FATAL:  sorry, too many clients already"},
        Protocol{"Psql",
                 "postgresql",
                 {"psql", "-X", "-w",
                  "host=10.0.0.1 port=8080 user=nobody dbname=x connect_timeout=5 sslmode=disable",
                  "-c", "SELECT 1"},
                 "FATAL:  sorry, too many clients already"},
        Protocol{"Msmtp",
                 "smtp-421",
                 {"msmtp", "--host=10.0.0.1", "--port=8080", "--tls=off", "--auth=off",
                  "--from=a@example.com", "b@example.com"},
                 "421 4.3.2 Too many connections, try again later"}),
    [](const auto& protocol) { return protocol.param.name; });

struct Listening {
  const char* name;
  const char* at;
  bool dual_stack;
  bool from_ipv6;
};

class ReplyForServer : public Reply, public testing::WithParamInterface<Listening> {};

TEST_P(ReplyForServer, IsWhatTheClientReads) {
  const Server server(lab_.server(), {address(GetParam().at), kPort},
                      {.dual_stack = GetParam().dual_stack});
  const Endpoint to = GetParam().from_ipv6 ? web_ipv6_ : web_;
  const Headgated headgated(lab_.server(), replying(kRaw));
  const auto held = hold(lab_.client(0), to, 1);
  EXPECT_TRUE(gets("client_connections", headgated, lab_.client(0), to));
  EXPECT_EQ(answer(lab_.client(0), to), kBusy);
  headgated.reload(replying("http-429"));
  EXPECT_THAT(curl(GetParam().from_ipv6 ? "[2001:db8::1]" : "10.0.0.1"),
              HasSubstr("429 Too Many Requests"));
  EXPECT_TRUE(gets("none", headgated, lab_.client(1), to));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 1));
}

INSTANTIATE_TEST_SUITE_P(On, ReplyForServer,
                         testing::Values(Listening{"IPv4", "0.0.0.0", false, false},
                                         Listening{"IPv6", "::", false, true},
                                         Listening{"DualStackFromIPv4", "::", true, false},
                                         Listening{"DualStackFromIPv6", "::", true, true}),
                         [](const auto& server) { return server.param.name; });

class ReplyOfRule : public Reply {
 protected:
  const Server server_{lab_.server(), {address("::"), kPort}, {.dual_stack = true}};
};

TEST_F(ReplyOfRule, AConnectionThatIsBeingAnsweredIsCountedForNobody) {
  const Headgated headgated(lab_.server(), replying("http-429"));
  const auto held = hold(lab_.client(0), web_, 1);
  const auto silent = hold(lab_.client(0), web_, 5);  // they ask nothing, so they wait
  EXPECT_EQ(headgated.metrics().at("headgate_replies"), 5);
  EXPECT_EQ(headgated.rule("web").connections, 1U);
  EXPECT_EQ(headgated.rule("web").half_open, 0U);
  EXPECT_EQ(counted_at("total", headgated, "10.0.1.2", web_), 1U);
  EXPECT_EQ(server_.accepted(), 1U);
  for (const UniqueFd& socket : silent) EXPECT_TRUE(closed_by_peer(socket, 1500ms));
  EXPECT_TRUE(eventually(2s, [&] { return headgated.metrics().at("headgate_replies") == 0; }));
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 1));
}

TEST_F(ReplyOfRule, BeyondRepliesAtOnceTheClientIsReset) {
  const Headgated headgated(lab_.server(), replying("http-429") + "replies: { at_once: 3 }\n");
  const auto held = hold(lab_.client(0), web_, 1);
  const auto silent = hold(lab_.client(0), web_, 3);
  EXPECT_TRUE(refused(lab_.client(0), web_));
  EXPECT_TRUE(refused(lab_.client(0), web_));
  EXPECT_EQ(refused_by(headgated, "reset"), 2);
  EXPECT_EQ(refused_by(headgated, "reply"), 3);
  for (const UniqueFd& socket : silent) EXPECT_TRUE(closed_by_peer(socket, 1500ms));
  EXPECT_THAT(curl("10.0.0.1"), HasSubstr("429 Too Many Requests")) << "there is room again";
}

TEST_F(ReplyOfRule, ClientsThatAreAnsweredSlowlyKeepNobodyElseWaiting) {
  const Headgated headgated(lab_.server(), replying("http-429"));
  const auto held = hold(lab_.client(0), web_, 1);
  const auto silent = hold(lab_.client(0), web_, 500);
  const auto others = lab_.client(1).connect(web_);
  EXPECT_TRUE(others.connected());
  EXPECT_LT(others.duration, allowed(50ms));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(curl("10.0.0.1"), HasSubstr("429 Too Many Requests"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, allowed(500ms));
}

TEST_F(ReplyOfRule, ManyClientsAtOnceAreAllAnswered) {
  const Headgated headgated(lab_.server(), replying(kRaw, 0));
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] {
      lab_.client(i % 2).network().enter();
      for (int n = 0; n < 25; ++n) {
        const ConnectResult result = connect_to(web_);
        if (result.connected() && read_all(result.socket) == kBusy) ++answered;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 32 * 25);
  EXPECT_EQ(refused_by(headgated, "reply"), 32 * 25);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));
}

TEST_F(ReplyOfRule, IsGivenWhenEverySynGetsACookie) {
  lab_.server().network().set_sysctl("net/ipv4/tcp_syncookies", "2");
  const Headgated headgated(lab_.server(), replying(kRaw));
  const auto held = hold(lab_.client(0), web_, 1);
  EXPECT_EQ(answer(lab_.client(0), web_), kBusy);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 1));
  EXPECT_EQ(headgated.rule("web").admitted, 1U);
}

TEST_F(ReplyOfRule, ADeniedClientIsAnsweredToo) {
  const Headgated headgated(lab_.server(), replying(kRaw, 10));
  headgated.ctl({"deny", "add", "10.0.1.2"});
  EXPECT_TRUE(gets("denied", headgated, lab_.client(0), web_));
  EXPECT_EQ(answer(lab_.client(0), web_), kBusy);
}

TEST_F(ReplyOfRule, RetryAfterIsWhenTheRefusalEnds) {
  const std::string rule = "on_limit: reply\nreply: http-429\n";
  const Headgated headgated(
      lab_.server(), web_with(rule + "new_connections: { per_client: { rate: 2/m, burst: 1 } }"));
  EXPECT_TRUE(admitted(lab_.client(0), web_));
  EXPECT_THAT(curl("10.0.0.1"), testing::ContainsRegex("Retry-After: (29|30)\r"));
  headgated.ctl({"deny", "add", "10.0.1.2", "--for", "10m"});
  EXPECT_THAT(curl("10.0.0.1"), testing::ContainsRegex("Retry-After: (599|600)\r"));
}

TEST_F(ReplyOfRule, IsAsTheLastReloadSays) {
  const Headgated headgated(lab_.server(), replying(kRaw, 0));
  EXPECT_EQ(answer(lab_.client(0), web_), kBusy);
  headgated.reload(replying("redis", 0));
  EXPECT_EQ(answer(lab_.client(0), web_), "-ERR max number of clients reached\r\n");
  headgated.reload(web_rule("per_client: 0"));
  EXPECT_TRUE(refused(lab_.client(0), web_));
  headgated.reload(replying(R"({ raw: "another one" })", 0));
  EXPECT_EQ(answer(lab_.client(0), web_), "another one");
}

TEST_F(ReplyOfRule, EachRuleHasItsOwn) {
  const Server second(lab_.server(), lab_.server_ipv4(kPort + 1));
  const Headgated headgated(lab_.server(), replying(kRaw, 0) + R"(
  - name: cache
    listen: ["8081"]
    connections: { per_client: 0 }
    on_limit: reply
    reply: redis
)");
  EXPECT_EQ(answer(lab_.client(0), web_), kBusy);
  EXPECT_EQ(answer(lab_.client(0), lab_.server_ipv4(kPort + 1)),
            "-ERR max number of clients reached\r\n");
}

}  // namespace
}  // namespace headgate::lab
