// SPDX-License-Identifier: Apache-2.0
// Clients that every rule refuses: those of `headgatectl deny` and of clients.deny.
#include <sys/socket.h>

#include <csignal>
#include <ctime>
#include <sstream>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

using Clock = std::chrono::steady_clock;

// How long what the kernel has decided may take to be seen on a busy machine.
const auto kLate = allowed(150ms);

// While it lives, the daemon does nothing.
class Stopped {
 public:
  explicit Stopped(const Headgated& headgated) : pid_(headgated.pid()) {
    EXPECT_EQ(::kill(pid_, SIGSTOP), 0);
  }
  ~Stopped() { EXPECT_EQ(::kill(pid_, SIGCONT), 0); }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;

 private:
  pid_t pid_;
};

// "2030-01-01T00:00:00Z", so many seconds from now.
std::string moment(int seconds_from_now) {
  const std::time_t then = std::time(nullptr) + seconds_from_now;
  std::tm utc{};
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&then, &utc));
  return text;
}

class Deny : public testing::Test {
 protected:
  nlohmann::json deny(std::vector<std::string> command) const {
    command.insert(command.begin(), "deny");
    return headgated_.ctl(command);
  }
  ConnectOptions from(const std::string& client) const {
    return {.from = Endpoint{address(client)}};
  }
  testing::AssertionResult is_denied(const std::string& client) const {
    return refused(lab_.client(0), to(client), from(client));
  }
  testing::AssertionResult is_let_in(const std::string& client) const {
    return admitted(lab_.client(0), to(client), from(client));
  }
  Clock::time_point let_in_at(const std::string& client) const {
    return lab_.client(0).network().run([&] {
      while (!connect_to(web_, from(client)).connected()) std::this_thread::sleep_for(2ms);
      return Clock::now();
    });
  }
  Endpoint to(const std::string& client) const {
    return client.find(':') != std::string::npos ? lab_.server_ipv6(kPort) : web_;
  }

  const Lab lab_;
  const Endpoint web_ = lab_.server_ipv4(kPort);
  const Server server_{lab_.server(), {address("::"), kPort}, {.dual_stack = true}};
  const std::string rule_ = web_with("connections: { per_client: 100 }");
  const Headgated headgated_{lab_.server(), rule_};
};

TEST_F(Deny, IsInForceWhenTheCommandReturns) {
  for (int i = 0; i < 20; ++i) {
    const nlohmann::json added = deny({"add", "10.64.0.0/16", "2001:db8:64::/48"});
    EXPECT_EQ(added.at("added"), 2);
    ASSERT_TRUE(is_denied("10.64.7.1")) << i;
    ASSERT_TRUE(is_denied("2001:db8:64:7::1")) << i;
    const nlohmann::json removed = deny({"del", "10.64.0.0/16", "2001:db8:64::/48"});
    EXPECT_EQ(removed.at("removed"), 2);
    ASSERT_TRUE(is_let_in("10.64.7.1")) << i;
    ASSERT_TRUE(is_let_in("2001:db8:64:7::1")) << i;
  }
  EXPECT_EQ(headgated_.refused_for("web", "denied"), 40U);
}

TEST_F(Deny, HitsWhoIsInThePrefixAndNobodyElseAndIsExplained) {
  deny({"add", "10.64.7.0/24", "--for", "10m", "--reason", "scanner"});
  EXPECT_TRUE(gets("denied", headgated_, lab_.client(0), web_, "10.64.7.255"));
  EXPECT_TRUE(gets("none", headgated_, lab_.client(0), web_, "10.64.8.0"));
  EXPECT_TRUE(gets("none", headgated_, lab_.client(0), web_, "10.64.6.255"));
  const nlohmann::json entry = explain(headgated_, "10.64.7.1", web_).at("deny");
  EXPECT_EQ(entry.at("cidr"), "10.64.7.0/24");
  const auto now_ms = std::chrono::system_clock::now().time_since_epoch() / 1ms;
  EXPECT_NEAR(entry.at("until_unix_ms").get<double>(), static_cast<double>(now_ms + 600'000),
              10'000 * slowness());
}

TEST_F(Deny, HoldsForEveryRuleAndOnNoOtherPortAndClosesNothing) {
  const Server ruled(lab_.server(), lab_.server_ipv4(kPort + 1));
  const Server free(lab_.server(), lab_.server_ipv4(kPort + 2));
  headgated_.reload(rule_ + "  - { name: other, listen: [\"8081\"] }\n");
  const auto held = hold(lab_.client(0), web_, 2);
  deny({"add", "10.0.1.2"});
  EXPECT_TRUE(refused(lab_.client(0), web_));
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort + 1)));
  EXPECT_TRUE(admitted(lab_.client(0), lab_.server_ipv4(kPort + 2)));
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, 2));
}

TEST_F(Deny, IsListedWithItsEndAndReasonAndNoLongerWhenItIsOver) {
  deny({"add", "10.64.7.1", "--reason", "for good"});
  deny({"add", "10.64.8.0/24", "--for", "1s", "--reason", "soon over"});
  nlohmann::json entries = deny({"list"}).at("entries");
  ASSERT_EQ(entries.size(), 2U) << entries;
  EXPECT_EQ(entries[0].at("cidr"), "10.64.7.1");
  EXPECT_EQ(entries[0].at("reason"), "for good");
  EXPECT_FALSE(entries[0].contains("until_unix_ms"));
  EXPECT_EQ(entries[1].at("reason"), "soon over");
  EXPECT_EQ(entries[1].at("source"), "operator");
  EXPECT_TRUE(eventually(2s, [&] { return deny({"list"}).at("entries").size() == 1; }));
}

TEST_F(Deny, TheKernelEndsItWithoutTheDaemon) {
  const auto before = Clock::now();
  deny({"add", "10.64.7.1", "--for", "2s"});
  const auto after = Clock::now();
  {
    const Stopped stopped(headgated_);
    EXPECT_TRUE(is_denied("10.64.7.1"));
    const auto let_in = let_in_at("10.64.7.1");
    EXPECT_GE(let_in, before + 2s - 2ms);  // the end is told in whole milliseconds
    EXPECT_LE(let_in, after + 2s + kLate);
  }
  EXPECT_TRUE(eventually(3s, [&] { return deny({"list"}).at("entries").empty(); }));
}

TEST_F(Deny, AWiderEntryHoldsWhenANarrowerOneIsOver) {
  deny({"add", "10.64.0.0/16"});
  for (const char* narrower : {"10.64.0.0/20", "10.64.7.0/24", "10.64.7.0/28", "10.64.7.1"}) {
    deny({"add", narrower, "--for", "1s"});
  }
  const Stopped stopped(headgated_);
  for (const auto end = Clock::now() + 1500ms; Clock::now() < end;) {
    ASSERT_TRUE(is_denied("10.64.7.1"));
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_TRUE(admitted(lab_.client(1), web_));
}

TEST_F(Deny, ANarrowerEntryHoldsWhenAWiderOneIsOver) {
  deny({"add", "10.64.7.1"});
  deny({"add", "10.64.0.0/16", "--for", "1s"});
  EXPECT_TRUE(is_denied("10.64.7.2"));
  const Stopped stopped(headgated_);
  let_in_at("10.64.7.2");
  EXPECT_TRUE(is_denied("10.64.7.1"));
}

TEST_F(Deny, AnEntryAddedAgainGetsTheNewEnd) {
  deny({"add", "10.64.7.1", "--for", "1s"});
  EXPECT_EQ(deny({"add", "10.64.7.1", "--for", "10m"}).at("replaced"), 1);
  std::this_thread::sleep_for(1300ms);
  EXPECT_TRUE(is_denied("10.64.7.1"));

  const auto before = Clock::now();
  deny({"add", "10.64.7.1", "--for", "1s"});
  const auto after = Clock::now();
  EXPECT_TRUE(is_denied("10.64.7.1"));
  const auto let_in = let_in_at("10.64.7.1");
  EXPECT_GE(let_in, before + 1s - 2ms);
  EXPECT_LE(let_in, after + 1s + kLate);

  deny({"add", "10.64.7.1", "--for", "1s"});
  deny({"add", "10.64.7.1"});
  std::this_thread::sleep_for(1300ms);
  EXPECT_TRUE(is_denied("10.64.7.1")) << "now for good";
}

TEST_F(Deny, IsKeptOverReloads) {
  deny({"add", "10.64.7.1", "--reason", "kept"});
  headgated_.reload(web_with("connections: { per_client: 50 }") +
                    "clients: { deny: [10.64.8.0/24] }\n");
  EXPECT_TRUE(is_denied("10.64.7.1"));
  EXPECT_TRUE(is_denied("10.64.8.1"));
  headgated_.reload(rule_);
  EXPECT_TRUE(is_denied("10.64.7.1"));
  EXPECT_TRUE(is_let_in("10.64.8.1"));
  EXPECT_EQ(deny({"list"}).at("entries").size(), 1U);
}

TEST_F(Deny, WithEvictClosesWhatIsOpenWithARst) {
  const auto denied = hold(lab_.client(0), web_, 3, Endpoint{address("10.64.7.1")});
  const auto denied_ipv6 =
      hold(lab_.client(0), lab_.server_ipv6(kPort), 2, Endpoint{address("2001:db8:64:7::1")});
  const auto others = hold(lab_.client(1), web_, 2);
  const nlohmann::json added =
      deny({"add", "10.64.0.0/16", "2001:db8:64::/48", "10.99.0.0/16", "--evict"});
  EXPECT_EQ(added.at("evicted"), 5);
  for (const auto* some : {&denied, &denied_ipv6}) {
    for (const UniqueFd& socket : *some) {
      char byte = 0;
      EXPECT_TRUE(closed_by_peer(socket, 1s));
      EXPECT_EQ(::recv(socket.get(), &byte, 1, 0), -1);
      EXPECT_EQ(errno, ECONNRESET);
    }
  }
  for (const UniqueFd& socket : others) EXPECT_FALSE(closed_by_peer(socket, 0ms));
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, 2));
}

TEST_F(Deny, TakesAHundredThousandEntriesInOneCall) {
  std::ostringstream lines;
  for (int i = 0; i < 50'000; ++i) lines << "10.64." << i / 256 << "." << i % 256 << "\n";
  lines << std::hex;
  for (int i = 0; i < 50'000; ++i) lines << "2001:db8:64:" << i << "::/64\n";
  TempDir directory;
  const std::string file = directory.write("list", lines.str());

  EXPECT_EQ(deny({"add", "--file", file}).at("added"), 100'000);
  for (const char* inside : {"10.64.0.0", "10.64.195.79", "2001:db8:64:c34f::1"}) {
    EXPECT_TRUE(gets("denied", headgated_, lab_.client(0), to(inside), inside)) << inside;
  }
  for (const char* outside : {"10.64.195.80", "2001:db8:64:c350::1", "10.0.1.2"}) {
    EXPECT_TRUE(gets("none", headgated_, lab_.client(0), to(outside), outside)) << outside;
  }
  EXPECT_EQ(deny({"list"}).at("entries").size(), 100'000U);
  headgated_.reload(rule_);
  EXPECT_TRUE(is_denied("10.64.7.1"));
  const std::string command = std::string(HEADGATECTL_PROGRAM) + " --socket " +
                              headgated_.socket_path() + " deny del --file - < " + file;
  EXPECT_EQ(must_run({"sh", "-c", command}), "100000 removed\n");
  EXPECT_TRUE(is_let_in("10.64.7.1"));
  EXPECT_TRUE(deny({"list"}).at("entries").empty());
}

TEST_F(Deny, OfTheConfigurationEndsWhenItSays) {
  const auto begin = std::chrono::system_clock::now();
  headgated_.reload(rule_ + R"(clients:
  deny:
    - { cidr: 10.64.1.0/24, until: )" +
                    moment(-10) + R"( }
    - { cidr: 10.64.2.0/24, until: 2199-01-01T00:00:00Z, reason: scanner }
    - { cidr: 10.64.3.0/24, until: )" +
                    moment(3) + R"( }
    - 10.64.4.0/24
)");
  EXPECT_TRUE(is_let_in("10.64.1.1"));
  for (const char* client : {"10.64.2.1", "10.64.3.1", "10.64.4.1"}) {
    EXPECT_TRUE(gets("denied", headgated_, lab_.client(0), web_, client)) << client;
  }
  EXPECT_EQ(deny({"list"}).at("entries").size(), 3U);
  {
    const Stopped stopped(headgated_);
    let_in_at("10.64.3.1");
    const auto waited = std::chrono::system_clock::now() - begin;
    EXPECT_GE(waited, 2s);  // the moment is a whole second
    EXPECT_LE(waited, 3s + kLate);
    EXPECT_TRUE(is_denied("10.64.2.1"));
    EXPECT_TRUE(is_denied("10.64.4.1"));
  }
}

TEST_F(Deny, OfTheConfigurationIsTheConfigurationsToEnd) {
  headgated_.reload(rule_ + "clients: { deny: [10.64.4.0/24] }\n");
  const CommandResult result = headgated_.run_ctl({"deny", "del", "10.64.4.0/24"});
  EXPECT_NE(result.status, 0) << result.output;
  EXPECT_TRUE(is_denied("10.64.4.1"));
  headgated_.reload(rule_);
  EXPECT_TRUE(is_let_in("10.64.4.1"));
}

TEST_F(Deny, OfEverybodyLeavesTheExemptIn) {
  headgated_.reload(rule_ + "clients: { exempt: [10.64.7.1] }\n");
  deny({"add", "0.0.0.0/0", "::/0"});
  EXPECT_TRUE(is_denied("10.64.7.2"));
  EXPECT_TRUE(is_denied("2001:db8:64:7::1"));
  EXPECT_TRUE(is_let_in("10.64.7.1"));
  deny({"del", "0.0.0.0/0", "::/0"});
  EXPECT_TRUE(is_let_in("10.64.7.2"));
  EXPECT_TRUE(is_let_in("2001:db8:64:7::1"));
}

}  // namespace
}  // namespace headgate::lab
