// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/doors.h"

#include <fstream>

#include "served.h"

namespace headgate::doors {
namespace {

class Opening : public Served {};

std::string error_of(const config::Quotas& quotas) {
  const auto prepared = Doors::prepare(quotas);
  return prepared ? "" : prepared.error().to_string();
}

TEST_F(Opening, AServedSocketIsNotTakenOver) {
  const std::string error = error_of(quotas);
  EXPECT_NE(error.find("another daemon already serves " + quotas.socket), std::string::npos)
      << error;
  EXPECT_NE(error.find("quotas.socket"), std::string::npos) << error;
}

TEST_F(Opening, TheSocketGoesWithTheDoors) {
  doors.reset();
  EXPECT_FALSE(std::filesystem::exists(quotas.socket));
  open();
  EXPECT_TRUE(std::filesystem::exists(quotas.socket));
}

TEST_F(Opening, AnAbandonedSocketIsTakenOver) {
  doors.reset();
  {
    const UniqueFd left(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    quotas.socket.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(quotas.socket));
  open();
  EXPECT_EQ(answer_to(request_of({{{"five", "a"}}})).statuses_size(), 1);
}

TEST_F(Opening, AFileThatIsNoSocketIsLeftAlone) {
  doors.reset();
  std::ofstream(quotas.socket) << "precious";
  EXPECT_NE(error_of(quotas).find("is not a socket"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(quotas.socket));
}

TEST_F(Opening, ATakenPortIsSaid) {
  const auto try_port = [this](std::optional<std::string> config::Quotas::*which,
                               std::uint16_t port) {
    auto other = quotas;
    other.socket = directory.path() + "/other.sock";
    other.*which = "127.0.0.1:" + std::to_string(port);
    const std::string error = error_of(other);
    EXPECT_EQ(Doors::open(other, engine).has_value(), false);
    return error;
  };
  EXPECT_NE(try_port(&config::Quotas::grpc_listen, doors->grpc_port()).find("quotas.grpc.listen"),
            std::string::npos);
  EXPECT_NE(try_port(&config::Quotas::http_listen, doors->http_port()).find("quotas.http.listen"),
            std::string::npos);
}

TEST_F(Opening, OnlyTheSocketIsNeeded) {
  doors.reset();
  quotas.grpc_listen.reset();
  quotas.http_listen.reset();
  open();
  EXPECT_EQ(doors->grpc_port(), 0);
  EXPECT_EQ(doors->http_port(), 0);
  EXPECT_EQ(answer_to(request_of({{{"five", "a"}}})).statuses_size(), 1);
}

TEST_F(Opening, DoorsCloseWithinASecondWithCallersInThem) {
  answer_to(request_of({{{"five", "a"}}}));
  const UniqueFd silent = connect_tcp(doors->http_port());
  const UniqueFd grpc_silent = connect_tcp(doors->grpc_port());
  const auto start = std::chrono::steady_clock::now();
  doors.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(OpenToTheNetwork, OnlyWithoutCertificatesAndBeyondLoopback) {
  config::Quotas quotas;
  EXPECT_FALSE(is_open_to_the_network(quotas));
  for (const char* local : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"}) {
    quotas.grpc_listen = local;
    EXPECT_FALSE(is_open_to_the_network(quotas)) << local;
  }
  for (const char* wide : {"0.0.0.0:1", "192.0.2.1:1", "[::]:1", "[2001:db8::1]:1"}) {
    quotas.grpc_listen = wide;
    EXPECT_TRUE(is_open_to_the_network(quotas)) << wide;
  }
  quotas.tls.emplace();
  EXPECT_TRUE(is_open_to_the_network(quotas)) << "TLS alone asks nobody who he is";
  quotas.tls->client_ca = "/etc/headgate/clients.pem";
  EXPECT_FALSE(is_open_to_the_network(quotas));
  quotas.http_listen = "0.0.0.0:1";
  EXPECT_TRUE(is_open_to_the_network(quotas));
}

}  // namespace
}  // namespace headgate::doors
