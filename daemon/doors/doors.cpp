// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/doors.h"

#include <optional>
#include <string>
#include <utility>

#include "common/tcp_address.h"
#include "daemon/doors/grpc_server.h"
#include "daemon/doors/http_server.h"
#include "daemon/doors/latency.h"
#include "daemon/doors/memory_server.h"
#include "daemon/doors/tls.h"
#include "daemon/rpc/socket_path.h"

namespace headgate::doors {
namespace {

Result<void> probe(const std::optional<std::string>& address, const char* key) {
  if (!address) return {};
  const auto listener =
      TcpAddress::parse(*address).and_then([](const TcpAddress& at) { return listen_on(at, 1); });
  if (listener) return {};
  return fail("cannot serve quotas on " + *address + "; see " + key, listener.error());
}

}  // namespace

struct Doors::State {
  std::shared_ptr<LatencyPage> latency = std::make_shared<LatencyPage>();
  std::optional<GrpcServer> grpc;
  std::optional<HttpServer> http;
  std::optional<MemoryServer> memory;
};

Doors::Doors(std::unique_ptr<State> state) : state_(std::move(state)) {}
Doors::~Doors() = default;

Result<void> Doors::prepare(const config::Quotas& quotas) {
  if (quotas.tls) {
    if (auto tls = tls_credentials(*quotas.tls); !tls) return tl::unexpected(tls.error());
  }
  if (auto grpc = probe(quotas.grpc_listen, "quotas.grpc.listen"); !grpc) return grpc;
  if (auto http = probe(quotas.http_listen, "quotas.http.listen"); !http) return http;
  auto socket = rpc::prepare_socket_path(quotas.socket, "quotas.socket");
  const auto memory = config::memory_socket_of(quotas);
  if (!socket || !memory) return socket;
  return rpc::prepare_socket_path(*memory, "quotas.memory.socket");
}

Result<std::unique_ptr<Doors>> Doors::open(const config::Quotas& quotas, quota::Engine& engine) {
  auto state = std::make_unique<State>();
  auto grpc = GrpcServer::start(quotas, engine, state->latency->grpc);
  if (!grpc) return tl::unexpected(grpc.error());
  state->grpc.emplace(*std::move(grpc));
  if (quotas.http_listen) {
    auto http = HttpServer::start(*quotas.http_listen, engine, state->latency->http);
    if (!http) return tl::unexpected(http.error());
    state->http.emplace(*std::move(http));
  }
  if (const auto path = config::memory_socket_of(quotas)) {
    auto memory = MemoryServer::start(*path, engine);
    if (!memory) return tl::unexpected(memory.error());
    state->memory.emplace(*std::move(memory));
  }
  return std::unique_ptr<Doors>(new Doors(std::move(state)));
}

void Doors::follow_rules() {
  if (state_->memory) state_->memory->follow_rules();
}

std::shared_ptr<prometheus::Collectable> Doors::latency() const {
  return state_->latency;
}

std::uint16_t Doors::grpc_port() const {
  return state_->grpc->port();
}

std::uint16_t Doors::http_port() const {
  return state_->http ? state_->http->port() : std::uint16_t{0};
}

bool is_open_to_the_network(const config::Quotas& quotas) {
  const auto is_wide = [](const std::optional<std::string>& address) {
    if (!address) return false;
    const auto at = TcpAddress::parse(*address);
    return at && !at->is_loopback();
  };
  const bool asks_for_certificates = quotas.tls && !quotas.tls->client_ca.empty();
  return is_wide(quotas.http_listen) || (is_wide(quotas.grpc_listen) && !asks_for_certificates);
}

}  // namespace headgate::doors
