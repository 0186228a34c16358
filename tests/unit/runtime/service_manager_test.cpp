// SPDX-License-Identifier: Apache-2.0
#include "daemon/runtime/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/unique_fd.h"

namespace headgate::runtime {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// The service manager's end of NOTIFY_SOCKET: a datagram socket in the abstract namespace.
class ServiceManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    clear_environment();
    listener_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const std::string name = "headgate-notify-" + std::to_string(getpid());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path + 1, sizeof(address.sun_path) - 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    ASSERT_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    socket_ = "@" + name;
  }
  void TearDown() override { clear_environment(); }

  static void clear_environment() {
    for (const char* name :
         {"NOTIFY_SOCKET", "RUNTIME_DIRECTORY", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
      unsetenv(name);
    }
  }

  ServiceManager connected() const {
    setenv("NOTIFY_SOCKET", socket_.c_str(), 1);
    return ServiceManager::from_environment().value();
  }

  // What has arrived; "nothing".
  std::string received() const {
    std::array<char, 4096> text{};
    const ssize_t size = recv(listener_.get(), text.data(), text.size(), 0);
    return size < 0 ? "nothing" : std::string(text.data(), static_cast<std::size_t>(size));
  }

  UniqueFd listener_;
  std::string socket_;
};

TEST_F(ServiceManagerTest, IsToldWhatBecomesOfTheService) {
  const ServiceManager manager = connected();
  EXPECT_TRUE(manager.is_there());
  EXPECT_TRUE(manager.ready("2 rules"));
  EXPECT_EQ(received(), "READY=1\nSTATUS=2 rules");
  EXPECT_TRUE(manager.status("3 rules"));
  EXPECT_EQ(received(), "STATUS=3 rules");
  EXPECT_TRUE(manager.alive());
  EXPECT_EQ(received(), "WATCHDOG=1");
  EXPECT_TRUE(manager.stopping("the limits go on"));
  EXPECT_EQ(received(), "STOPPING=1\nSTATUS=the limits go on");
}

TEST_F(ServiceManagerTest, IsToldTheTimeOfAReload) {
  const auto now = [] {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  const auto before = now();
  EXPECT_TRUE(connected().reloading());
  const auto after = now();
  const std::string message = received();
  const std::string key = "\nMONOTONIC_USEC=";
  ASSERT_THAT(message, testing::StartsWith("RELOADING=1" + key));
  const auto told = std::stoll(message.substr(message.find(key) + key.size()));
  EXPECT_GE(told, before);
  EXPECT_LE(told, after);
}

TEST_F(ServiceManagerTest, TheEndOfAReloadLeavesTheStatus) {
  EXPECT_TRUE(connected().reloaded());
  EXPECT_EQ(received(), "READY=1");
}

TEST_F(ServiceManagerTest, AStatusIsOneLineWhateverIsInIt) {
  EXPECT_TRUE(connected().status("a rule\nREADY=1"));
  EXPECT_EQ(received(), "STATUS=a rule READY=1");
}

TEST_F(ServiceManagerTest, WithoutOneNothingIsSentAndNothingFails) {
  const auto manager = ServiceManager::from_environment();
  ASSERT_TRUE(manager);
  EXPECT_FALSE(manager->is_there());
  EXPECT_FALSE(manager->watchdog_period());
  EXPECT_TRUE(manager->ready("x"));
  EXPECT_TRUE(manager->reloading());
  EXPECT_TRUE(manager->alive());
  EXPECT_TRUE(manager->stopping("x"));
  EXPECT_EQ(received(), "nothing");
}

TEST_F(ServiceManagerTest, ASocketThatNobodyHasIsAnError) {
  const ServiceManager manager = connected();
  listener_.reset();
  const auto told = manager.ready("x");
  ASSERT_FALSE(told);
  EXPECT_THAT(told.error().message, HasSubstr("NOTIFY_SOCKET"));
}

TEST_F(ServiceManagerTest, TellsTheFirstRuntimeDirectory) {
  EXPECT_EQ(connected().runtime_directory(), std::nullopt);
  setenv("RUNTIME_DIRECTORY", "/run/headgate", 1);
  EXPECT_EQ(connected().runtime_directory(), "/run/headgate");
  setenv("RUNTIME_DIRECTORY", "/run/headgate:/run/other", 1);
  EXPECT_EQ(connected().runtime_directory(), "/run/headgate");
}

TEST_F(ServiceManagerTest, PingsTwiceInTheTimeThatItWaits) {
  setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(connected().watchdog_period(), milliseconds(15'000));
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  EXPECT_EQ(connected().watchdog_period(), milliseconds(15'000));
  setenv("WATCHDOG_USEC", "1", 1);
  EXPECT_EQ(connected().watchdog_period(), milliseconds(1)) << "never zero";
}

TEST_F(ServiceManagerTest, AWatchdogOfAnotherProcessIsNotOurs) {
  setenv("WATCHDOG_USEC", "30000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(connected().watchdog_period(), std::nullopt);
}

TEST_F(ServiceManagerTest, AWrongWatchdogIsAnError) {
  setenv("WATCHDOG_USEC", "soon", 1);
  const auto manager = ServiceManager::from_environment();
  ASSERT_FALSE(manager);
  EXPECT_THAT(manager.error().message, HasSubstr("WATCHDOG_USEC"));
}

}  // namespace
}  // namespace headgate::runtime
