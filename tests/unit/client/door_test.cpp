// SPDX-License-Identifier: Apache-2.0
// What others than our library say at the door for memory.
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>

#include "common/unique_fd.h"
#include "daemon/quota/account.h"
#include "daemon/quota/service_rules.h"
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
  static std::optional<attach::Welcome> whole_answer(const UniqueFd& fd) {
    std::string message(1000, '\0');
    const ssize_t got = recv(fd.get(), message.data(), message.size(), 0);
    if (got <= 0) return std::nullopt;
    message.resize(static_cast<std::size_t>(got));
    return attach::read_one<attach::Welcome>(message);
  }
  static std::optional<attach::Status> answer(const UniqueFd& fd) {
    const auto welcome = whole_answer(fd);
    return welcome ? std::optional(welcome->status) : std::nullopt;
  }
  static bool is_closed(const UniqueFd& fd) {
    char byte = 0;
    return recv(fd.get(), &byte, 1, 0) == 0;
  }
  // After whatever else is said.
  static bool ends(const UniqueFd& fd) {
    std::array<char, 1000> room{};
    ssize_t got = 0;
    do {
      got = recv(fd.get(), room.data(), room.size(), 0);
    } while (got > 0);
    return got == 0 || errno == ECONNRESET;
  }
  // The rules that the next message brings; empty: none has come.
  static std::string rules_in(const UniqueFd& fd) {
    char kind = 0;
    iovec part{&kind, sizeof(kind)};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    if (recvmsg(fd.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) return {};
    const cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    if (rights == nullptr) return {};
    int number = -1;
    std::memcpy(&number, CMSG_DATA(rights), sizeof(number));
    const UniqueFd file(number);
    std::string bytes(10'000, '\0');
    const ssize_t got = pread(file.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return bytes;
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

TEST_F(Door, WithoutLeasesThereAreStillRates) {
  put({rule("user", at_once(10))});
  start();
  std::vector<UniqueFd> services;
  std::optional<attach::Welcome> welcome;
  do {
    services.push_back(connect_to());
    say(services.back(), hello("api", attach::kMaxLeases));
    welcome = whole_answer(services.back());
    ASSERT_TRUE(welcome);
    ASSERT_EQ(welcome->status, attach::Status::kWelcome);
  } while (welcome->lease_count != 0 && services.size() < 30);
  EXPECT_EQ(services.size(), 17U);
  EXPECT_TRUE(engine->check({.domain = "api", .descriptors = {{{{"user", "alice"}}, {}, {}}}}));
  services.clear();
  EXPECT_TRUE(becomes_true(1s, [&] { return domain().account->leases_used() == 0; }))
      << "they come back";
  services.push_back(connect_to());
  say(services.back(), hello("api", 0));
  welcome = whole_answer(services.back());
  ASSERT_TRUE(welcome);
  EXPECT_EQ(welcome->lease_count, 0U) << "it asks for none";
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
    say(fd, hello("api"));  // whoever has entered does not say that
    say(fd, hello("api"));
    EXPECT_TRUE(ends(fd)) << i;
  }
  EXPECT_TRUE(client.try_acquire({{"user", "alice"}}));
  EXPECT_TRUE(client.status().is_attached);
  const Client another(options());
  EXPECT_TRUE(another.status().is_attached);
}

TEST_F(Door, WhoDoesNotReadKeepsItsPlaceAndGetsTheNewestRules) {
  put({rule("user", at_once(10))});
  start();
  Client client(options());
  const UniqueFd deaf = connect_to();
  say(deaf, hello("api"));
  Key alice = client.key({{"user", "alice"}});
  // Each is told by itself, until nothing more goes into the socket.
  for (std::uint32_t i = 0; i < 500; ++i) {
    put({rule("user", at_once(11 + i))});
    ASSERT_TRUE(becomes_true(
        2s, [&] { return client.try_acquire(alice, 0).decision().remaining == 11 + i; }));
  }
  ASSERT_EQ(answer(deaf), attach::Status::kWelcome);
  EXPECT_TRUE(becomes_true(5s, [&] { return rules_in(deaf) == domain().service_rules->bytes(); }));
}

// Who has not closed its end may still use what it was lent.
TEST_F(Door, WhoIsSentAwayKeepsItsLeasesUntilItGoes) {
  put({rule("user", at_once(10))});
  start();
  UniqueFd fd = connect_to();
  say(fd, hello("api", 1000));
  ASSERT_EQ(answer(fd), attach::Status::kWelcome);
  say(fd, hello("api"));
  EXPECT_TRUE(ends(fd));
  std::this_thread::sleep_for(200ms);
  EXPECT_NE(domain().account->leases_used(), 0U);
  fd.reset();
  EXPECT_TRUE(becomes_true(1s, [&] { return domain().account->leases_used() == 0; }));
}

TEST_F(Door, WhoseDomainGoesKeepsItsLeasesUntilItGoes) {
  put({rule("user", at_once(10))});
  start();
  UniqueFd fd = connect_to();
  say(fd, hello("api", 1000));
  ASSERT_EQ(answer(fd), attach::Status::kWelcome);
  const std::weak_ptr<quota::Account> account = domain().account;
  put({rule("user", at_once(10))}, "other");
  EXPECT_TRUE(ends(fd));
  std::this_thread::sleep_for(100ms);
  EXPECT_FALSE(account.expired());
  fd.reset();
  EXPECT_TRUE(becomes_true(1s, [&] { return account.expired(); }));
}

TEST_F(Door, WhatItSaidBeforeItWentIsHeard) {
  put({rule("user", per_year(10))});
  start();
  const std::uint64_t identity = domain().limits.at(0)->identity;
  UniqueFd fd = connect_to();
  say(fd, hello("api"));
  ASSERT_EQ(answer(fd), attach::Status::kWelcome);
  for (int i = 0; i < 100; ++i) {
    say(fd, attach::message(attach::Kind::kTallies, attach::Tally{identity, {.admitted = 1}}));
  }
  fd.reset();
  EXPECT_TRUE(becomes_true(1s, [&] { return domain().limits.at(0)->tally->admitted == 100; }));
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
  say(fd, attach::message(attach::Kind::kTallies, attach::Tally{identity, {.admitted = ~0ULL}}));
  say(fd, attach::message(attach::Kind::kTallies, attach::Tally{identity, {.admitted = 5}}));
  EXPECT_TRUE(becomes_true(1s, [&] { return domain().limits.at(0)->tally->admitted == 5; }));
}

}  // namespace
}  // namespace headgate::client
