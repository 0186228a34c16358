// SPDX-License-Identifier: Apache-2.0
// What others than our library say at the door for memory.
#include <sys/socket.h>
#include <sys/un.h>

#include <random>

#include "common/unique_fd.h"
#include "quota/attach.h"
#include "served.h"

namespace headgate::client {
namespace {

namespace attach = quota::attach;

class Door : public Served {
 protected:
  UniqueFd connect_to() const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    const timeval patience{10, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
  }
  static void say(const UniqueFd& fd, const std::string& message) {
    send(fd.get(), message.data(), message.size(), MSG_NOSIGNAL);
  }
  static std::optional<attach::Status> answer(const UniqueFd& fd) {
    std::string message(1000, '\0');
    const ssize_t got = recv(fd.get(), message.data(), message.size(), 0);
    if (got <= 0) return std::nullopt;
    message.resize(static_cast<std::size_t>(got));
    const auto welcome = attach::read_one<attach::Welcome>(message);
    return welcome ? std::optional(welcome->status) : std::nullopt;
  }
  static bool is_closed(const UniqueFd& fd) {
    char byte = 0;
    return recv(fd.get(), &byte, 1, 0) == 0;
  }
  static std::string hello(const std::string& domain, std::uint32_t leases = 1,
                           std::uint32_t version = attach::kVersion) {
    return attach::message(attach::Kind::kHello, attach::Hello{version, leases, domain});
  }
};

TEST_F(Door, SaysWhyItLetsNobodyIn) {
  put({rule("user", per_year(1))});
  start();
  const auto status_for = [&](const std::string& message) {
    const UniqueFd fd = connect_to();
    say(fd, message);
    const auto status = answer(fd);
    EXPECT_TRUE(status == attach::Status::kWelcome || is_closed(fd));
    return status;
  };
  EXPECT_EQ(status_for(hello("api")), attach::Status::kWelcome);
  EXPECT_EQ(status_for(hello("other")), attach::Status::kUnknownDomain);
  EXPECT_EQ(status_for(hello("")), attach::Status::kUnknownDomain);
  EXPECT_EQ(status_for(hello("api", 1, 2)), attach::Status::kWrongVersion);
  EXPECT_EQ(status_for(hello("api", attach::kMaxLeases + 1)), attach::Status::kBadHello);
  EXPECT_EQ(status_for(hello("api").substr(0, 5)), attach::Status::kBadHello);
  EXPECT_EQ(status_for(hello("api") + "x"), attach::Status::kBadHello);
}

TEST_F(Door, LendsNoMoreLeasesThanThereAre) {
  put({rule("user", at_once(10))});
  start();
  std::vector<UniqueFd> services;
  while (services.size() < 17) {
    services.push_back(connect_to());
    say(services.back(), hello("api", attach::kMaxLeases));
    const auto status = answer(services.back());
    if (status != attach::Status::kWelcome) {
      EXPECT_EQ(status, attach::Status::kNoLeases);
      break;
    }
  }
  EXPECT_EQ(services.size(), 17U);
  EXPECT_TRUE(engine->check({.domain = "api", .descriptors = {{{{"user", "alice"}}, {}, {}}}}));
  services.clear();
  EXPECT_TRUE(becomes_true(1s, [&] {
    const UniqueFd fd = connect_to();
    say(fd, hello("api", attach::kMaxLeases));
    return answer(fd) == attach::Status::kWelcome;
  })) << "they come back";
}

TEST_F(Door, NoiseEndsTheConnectionAndNothingElse) {
  put({rule("user", at_once(10))});
  start();
  Client client(options());
  std::mt19937 random(5);
  for (int i = 0; i < 300; ++i) {
    const UniqueFd fd = connect_to();
    if (i % 2 == 0) say(fd, hello("api"));
    for (int j = 0; j < 5; ++j) {
      std::string noise(random() % (i % 10 == 0 ? attach::kMaxMessageBytes + 10 : 200), '\0');
      for (char& byte : noise) byte = static_cast<char>(random());
      if (!noise.empty() && j % 2 == 0) noise[0] = static_cast<char>(random() % 8);
      say(fd, noise);
    }
  }
  EXPECT_TRUE(client.try_acquire({{"user", "alice"}}));
  EXPECT_TRUE(client.status().is_attached);
  const Client another(options());
  EXPECT_TRUE(another.status().is_attached);
}

TEST_F(Door, WhoDoesNotReadIsSentAwayAndHarmsNobody) {
  put({rule("user", at_once(10))});
  start();
  Client client(options());
  const UniqueFd deaf = connect_to();
  say(deaf, hello("api"));
  Key alice = client.key({{"user", "alice"}});
  for (std::uint32_t i = 0; i < 2000; ++i) put({rule("user", at_once(10 + i % 2))});
  put({rule("user", at_once(20))});
  EXPECT_TRUE(
      becomes_true(2s, [&] { return client.try_acquire(alice, 0).decision().remaining == 20; }));
}

TEST_F(Door, WhoIsSilentHasToGo) {
  put({rule("user", at_once(10))});
  start();
  const UniqueFd silent = connect_to();
  EXPECT_TRUE(is_closed(silent)) << "after five seconds";
}

TEST_F(Door, TalesOfRulesThatAreNotThereAreNotBelieved) {
  put({rule("user", per_year(10))});
  start();
  const UniqueFd fd = connect_to();
  say(fd, hello("api"));
  ASSERT_EQ(answer(fd), attach::Status::kWelcome);
  const std::uint64_t identity = domain().limits.at(0)->identity;
  say(fd, attach::message(attach::Kind::kTallies, attach::Tally{identity + 1, {.admitted = 7}}));
  say(fd, attach::message(attach::Kind::kSamples, attach::Sample{identity, {1, 2}, {}}));
  say(fd, attach::message(attach::Kind::kRefusals, attach::Refusal{identity, "192.0.2.1"}));
  say(fd, attach::message(attach::Kind::kTallies, attach::Tally{identity, {.admitted = 5}}));
  EXPECT_TRUE(becomes_true(1s, [&] { return domain().limits.at(0)->tally->admitted == 5; }));
}

}  // namespace
}  // namespace headgate::client
