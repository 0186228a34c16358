// SPDX-License-Identifier: Apache-2.0
// Deciding a connection takes as long for a client that holds 15,000 as for one that holds one.
#include <algorithm>
#include <iostream>

#include "tests/kernel/support.h"

namespace headgate::lab {
namespace {

constexpr int kMany = 15'000;
constexpr int kSamples = 2'000;
constexpr double kBound = 1.5;
const char* const kFew = "10.64.0.1";
const char* const kHolder = "10.64.0.2";

std::chrono::nanoseconds median(std::vector<std::chrono::nanoseconds> samples) {
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return *middle;
}

class ConstantTime : public testing::Test {
 protected:
  // The server has a process, and so a table of open files, of its own.
  void SetUp() override {
    // The ports above are for the attempts that are measured.
    lab_.client(0).network().set_sysctl("net/ipv4/ip_local_port_range", "10000 29999");
    for (const std::uint16_t port : {kPort, kOtherPort}) {
      servers_.push_back(std::make_unique<Process>(
          std::vector<std::string>{LAB_SERVER_PROGRAM, "10.0.0.1", std::to_string(port)},
          ProcessOptions{.network = &lab_.server().network()}));
      ASSERT_TRUE(servers_.back()->wait_for_output("listening", 5s)) << servers_.back()->output();
    }
  }

  // One connection attempt from `source`, with its port chosen here: the kernel's search for a
  // free one takes longer the more are taken.
  std::chrono::nanoseconds time_attempt(const char* source, std::uint16_t port, int expected) {
    const auto from_port = static_cast<std::uint16_t>(30'000 + attempts_++ % 30'000);
    ConnectResult result =
        connect_to({lab_.server().ipv4(), port}, {.from = Endpoint{address(source), from_port}});
    EXPECT_EQ(result.error, expected);
    if (result.connected()) close_socket(std::move(result.socket), CloseKind::kReset);
    return result.duration;
  }

  // Medians of attempts that take turns, so that whatever else runs hits both alike.
  void compare(const char* what, std::uint16_t many_port, std::uint16_t few_port, int expected) {
    std::vector<std::chrono::nanoseconds> many, few;
    lab_.client(0).network().run([&] {
      for (int i = 0; i < kSamples; ++i) {
        many.push_back(time_attempt(kHolder, many_port, expected));
        few.push_back(time_attempt(kFew, few_port, expected));
      }
    });
    const double ratio =
        static_cast<double>(median(many).count()) / static_cast<double>(median(few).count());
    std::cout << what << ": " << median(many).count() << " ns with " << kMany << " held, "
              << median(few).count() << " ns with one; ratio " << ratio << '\n';
    EXPECT_LT(ratio, kBound) << what;
  }

  static constexpr std::uint16_t kOtherPort = kPort + 1;

  const Lab lab_;
  std::vector<std::unique_ptr<Process>> servers_;
  int attempts_ = 0;
};

TEST_F(ConstantTime, NewConnectionsAreAdmittedAsFastWith15000HeldAsWithOne) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 16000"));
  const auto many = hold(lab_.client(0), lab_.server_ipv4(kPort), kMany, {{address(kHolder)}});
  const auto few = hold(lab_.client(0), lab_.server_ipv4(kPort), 1, {{address(kFew)}});
  ASSERT_EQ(headgated.client_connections("web", kHolder), static_cast<std::uint64_t>(kMany));
  compare("admitted", kPort, kPort, 0);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, kMany + 1));
}

TEST_F(ConstantTime, NewConnectionsAreRefusedAsFastWith15000HeldAsWithOne) {
  const Headgated headgated(lab_.server(), R"(
rules:
  - name: many
    listen: ["8080"]
    connections: { per_client: 15000 }
  - name: few
    listen: ["8081"]
    connections: { per_client: 1 }
)");
  const auto many = hold(lab_.client(0), lab_.server_ipv4(kPort), kMany, {{address(kHolder)}});
  const auto few = hold(lab_.client(0), lab_.server_ipv4(kOtherPort), 1, {{address(kFew)}});
  compare("refused", kPort, kOtherPort, ECONNREFUSED);
  EXPECT_TRUE(counts(headgated, "many", lab_.server(), kPort, kMany));
}

}  // namespace
}  // namespace headgate::lab
