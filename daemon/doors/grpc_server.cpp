// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/grpc_server.h"

#include <chrono>
#include <string>
#include <utility>

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "daemon/doors/reflection.h"
#include "daemon/doors/services.h"
#include "daemon/doors/tls.h"
#include "daemon/rpc/bounds.h"

namespace headgate::doors {
namespace {

constexpr std::chrono::milliseconds kShutdownPatience{500};
// The buffers are the bound on connections, too: at some 10,000 gRPC takes no more. It would never
// accept again once no file descriptor was left; the daemon may have many more than that.
constexpr rpc::Bounds kBounds{
    .max_request_bytes = 1024 * 1024, .max_calls_each = 256, .max_buffer_bytes = 128 * 1024 * 1024};

// gRPC knows no other way to add the service than this, which is for every server that is built
// meanwhile.
class WithHealthService {
 public:
  WithHealthService() { grpc::EnableDefaultHealthCheckService(true); }
  ~WithHealthService() { grpc::EnableDefaultHealthCheckService(false); }
  WithHealthService(const WithHealthService&) = delete;
  WithHealthService& operator=(const WithHealthService&) = delete;
};

}  // namespace

struct GrpcServer::State {
  State(quota::Engine& engine, Latency& latency)
      : rate_limit(engine, latency), quota(engine, latency) {}
  ~State() {
    quota.end_watches();
    // gRPC removes the socket file.
    if (server) server->Shutdown(std::chrono::system_clock::now() + kShutdownPatience);
  }

  RateLimitService rate_limit;
  QuotaService quota;
  Reflection reflection;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

GrpcServer::GrpcServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
GrpcServer::GrpcServer(GrpcServer&&) noexcept = default;
GrpcServer::~GrpcServer() = default;

Result<GrpcServer> GrpcServer::start(const config::Quotas& quotas, quota::Engine& engine,
                                     Latency& latency) {
  auto state = std::make_unique<State>(engine, latency);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + quotas.socket, grpc::InsecureServerCredentials());
  std::string where = quotas.socket;
  if (quotas.grpc_listen) {
    auto credentials = grpc::InsecureServerCredentials();
    if (quotas.tls) {
      auto tls = tls_credentials(*quotas.tls);
      if (!tls) return tl::unexpected(tls.error());
      credentials = *std::move(tls);
    }
    builder.AddListeningPort(*quotas.grpc_listen, credentials, &state->port);
    where += " and " + *quotas.grpc_listen;
  }
  // Otherwise two daemons would share a port, each with counts of its own.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(&state->rate_limit);
  builder.RegisterService(&state->quota);
  state->reflection.register_with(builder);
  rpc::set_bounds(builder, "quota", kBounds);
  const WithHealthService with_health_service;
  state->server = rpc::start(builder);
  if (!state->server) {
    return fail(ErrorCode::kUnavailable,
                "cannot serve quotas on " + where + "; see quotas.socket and quotas.grpc.listen");
  }
  auto* const health = state->server->GetHealthCheckService();
  using Rls = envoy::service::ratelimit::v3::RateLimitService;
  using Native = headgate::quota::v1::QuotaService;
  for (const char* name : {Rls::service_full_name(), Native::service_full_name()}) {
    health->SetServingStatus(name, true);
  }
  return GrpcServer(std::move(state));
}

std::uint16_t GrpcServer::port() const {
  return static_cast<std::uint16_t>(state_->port);
}

}  // namespace headgate::doors
