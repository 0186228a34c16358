// SPDX-License-Identifier: Apache-2.0
// Real servers and their real clients, as Debian ships them, none of which knows headgate.
#include <fstream>

#include "tests/kernel/support.h"

namespace headgate::lab {
namespace {

constexpr int kLimit = 4;

struct Family {
  const char* name;
  std::vector<std::string> server_addresses;  // as a URL spells them
  const char* nginx_listen;
  std::vector<std::string> redis_bind;
};

class Servers : public testing::TestWithParam<Family> {
 protected:
  using Clients = std::vector<std::unique_ptr<Process>>;

  std::unique_ptr<Process> start_in_server(const std::vector<std::string>& arguments) const {
    return std::make_unique<Process>(arguments,
                                     ProcessOptions{.network = &lab_.server().network()});
  }
  bool answers_on(const Endpoint& to) const {
    return eventually(
        10s, [&] { return lab_.client(1).connect(to).connected(); }, 50ms);
  }
  bool listens() const {
    const bool is_ipv6 = GetParam().server_addresses.front().front() == '[';
    return answers_on(is_ipv6 ? lab_.server_ipv6(kPort) : lab_.server_ipv4(kPort));
  }

  const Lab lab_;
  const TempDir directory_;
};

class Nginx : public Servers {
 protected:
  // Sends a large file so slowly that a client that fetches it holds its connection.
  std::unique_ptr<Process> start_nginx() {
    directory_.write("small", "hello from nginx\n");
    directory_.write("large", std::string(256 * 1024, 'x'));
    const std::string path = directory_.path().string();
    const std::string config = directory_.write("nginx.conf", R"(
user root;
daemon off;
worker_processes 2;
error_log stderr;
pid )" + path + R"(/nginx.pid;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path )" + path + R"(/body;
  proxy_temp_path )" + path + R"(/proxy;
  fastcgi_temp_path )" + path + R"(/fastcgi;
  uwsgi_temp_path )" + path + R"(/uwsgi;
  scgi_temp_path )" + path + R"(/scgi;
  server {
    )" + GetParam().nginx_listen + R"(
    root )" + path + R"(;
    location /large { limit_rate 1k; }
  }
}
)");
    auto nginx = start_in_server({"nginx", "-e", "stderr", "-c", config});
    EXPECT_TRUE(listens()) << nginx->output();
    return nginx;
  }

  std::vector<std::string> curl(const std::string& address, const std::string& file) const {
    return {"curl",         "--silent",
            "--show-error", "--output",
            "/dev/null",    "--max-time",
            "40",           "http://" + address + ":" + std::to_string(kPort) + file};
  }
  CommandResult fetch_small(const Host& client, const std::string& address) const {
    return run_command(curl(address, "/small"), {.network = &client.network()});
  }
  void fetch_large(Clients& clients, const std::string& address) const {
    clients.push_back(std::make_unique<Process>(
        curl(address, "/large"), ProcessOptions{.network = &lab_.client(0).network()}));
  }
};

constexpr int kCurlCouldNotConnect = 7;

TEST_P(Nginx, ServesAClientUpToItsLimitAndRefusesTheNextConnection) {
  const Headgated headgated(lab_.server(), web_rule("per_client: " + std::to_string(kLimit)));
  const auto nginx = start_nginx();
  ASSERT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));

  Clients downloads;
  const auto& addresses = GetParam().server_addresses;
  for (const std::string& address : addresses) {
    Clients mine;
    for (int i = 0; i < kLimit; ++i) fetch_large(mine, address);
    const std::uint64_t open = downloads.size() + mine.size();
    ASSERT_TRUE(counts(headgated, "web", lab_.server(), kPort, open));
    for (const auto& download : mine) EXPECT_TRUE(download->running()) << download->output();

    EXPECT_EQ(fetch_small(lab_.client(0), address).status, kCurlCouldNotConnect);
    EXPECT_EQ(fetch_small(lab_.client(1), address).status, 0) << "another client";

    mine.pop_back();
    ASSERT_TRUE(counts(headgated, "web", lab_.server(), kPort, open - 1));
    EXPECT_EQ(fetch_small(lab_.client(0), address).status, 0) << "after one has closed";
    for (auto& download : mine) downloads.push_back(std::move(download));
  }
  downloads.clear();
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));
}

TEST_P(Nginx, KilledInTheMiddleOfItsWorkLeavesNothingCounted) {
  const Headgated headgated(lab_.server(), web_rule("per_client: " + std::to_string(kLimit)));
  for (int round = 0; round < 2; ++round) {
    const auto nginx = start_nginx();
    Clients downloads;
    for (int i = 0; i < kLimit; ++i) fetch_large(downloads, GetParam().server_addresses.front());
    ASSERT_TRUE(counts(headgated, "web", lab_.server(), kPort, kLimit));

    // The workers hold the connections; they are the children of the master.
    const std::string children = "/proc/" + std::to_string(nginx->pid()) + "/task/" +
                                 std::to_string(nginx->pid()) + "/children";
    std::vector<pid_t> workers;
    std::ifstream list(children);
    for (pid_t worker = 0; list >> worker;) workers.push_back(worker);
    ASSERT_EQ(workers.size(), 2U);
    nginx->signal(SIGKILL);
    nginx->wait(5s);
    for (const pid_t worker : workers) ::kill(worker, SIGKILL);

    for (const auto& download : downloads) EXPECT_TRUE(download->wait(5s));
    EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));
  }
}

class Redis : public Servers {
 protected:
  std::unique_ptr<Process> start_redis() {
    std::vector<std::string> arguments = {"redis-server",
                                          "--port",
                                          std::to_string(kPort),
                                          "--save",
                                          "",
                                          "--appendonly",
                                          "no",
                                          "--protected-mode",
                                          "no",
                                          "--dir",
                                          directory_.path().string(),
                                          "--bind"};
    const auto& bind = GetParam().redis_bind;
    arguments.insert(arguments.end(), bind.begin(), bind.end());
    auto redis = start_in_server(arguments);
    EXPECT_TRUE(listens()) << redis->output();
    return redis;
  }

  static std::vector<std::string> redis_cli(std::string address) {
    if (address.front() == '[') address = address.substr(1, address.size() - 2);
    return {"redis-cli", "-h", address, "-p", std::to_string(kPort)};
  }
  CommandResult ping(const Host& client, const std::string& address) const {
    auto arguments = redis_cli(address);
    arguments.push_back("PING");
    return run_command(arguments, {.network = &client.network()});
  }
  // A subscriber keeps its connection open.
  void subscribe(Clients& clients, const std::string& address) const {
    auto arguments = redis_cli(address);
    arguments.insert(arguments.end(), {"SUBSCRIBE", "news"});
    clients.push_back(
        std::make_unique<Process>(arguments, ProcessOptions{.network = &lab_.client(0).network()}));
  }
};

TEST_P(Redis, ServesAClientUpToItsLimitAndRefusesTheNextConnection) {
  const Headgated headgated(lab_.server(), web_rule("per_client: " + std::to_string(kLimit)));
  const auto redis = start_redis();
  ASSERT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));

  Clients subscribers;
  for (const std::string& address : GetParam().server_addresses) {
    Clients mine;
    for (int i = 0; i < kLimit; ++i) subscribe(mine, address);
    const std::uint64_t open = subscribers.size() + mine.size();
    ASSERT_TRUE(counts(headgated, "web", lab_.server(), kPort, open));
    for (const auto& one : mine) EXPECT_TRUE(one->wait_for_output("news", 5s)) << one->output();

    const CommandResult beyond = ping(lab_.client(0), address);
    EXPECT_NE(beyond.status, 0);
    EXPECT_NE(beyond.output.find("Connection refused"), std::string::npos) << beyond.output;
    EXPECT_EQ(ping(lab_.client(1), address).output, "PONG\n") << "another client";

    mine.pop_back();
    ASSERT_TRUE(counts(headgated, "web", lab_.server(), kPort, open - 1));
    EXPECT_EQ(ping(lab_.client(0), address).output, "PONG\n") << "after one has closed";
    for (auto& one : mine) subscribers.push_back(std::move(one));
  }
  redis->signal(SIGKILL);
  redis->wait(5s);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 0));
}

const Family kFamilies[] = {
    {"IPv4", {"10.0.0.1"}, "listen 8080;", {"10.0.0.1"}},
    {"IPv6", {"[2001:db8::1]"}, "listen [::]:8080 ipv6only=on;", {"2001:db8::1"}},
    {"DualStack",
     {"10.0.0.1", "[2001:db8::1]"},
     "listen [::]:8080 ipv6only=off;",
     {"10.0.0.1", "2001:db8::1"}},
};
const auto kFamilyName = [](const auto& family) { return family.param.name; };

INSTANTIATE_TEST_SUITE_P(Over, Nginx, testing::ValuesIn(kFamilies), kFamilyName);
INSTANTIATE_TEST_SUITE_P(Over, Redis, testing::ValuesIn(kFamilies), kFamilyName);

}  // namespace
}  // namespace headgate::lab
