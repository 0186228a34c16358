// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/server.h"

#include <utility>

#include <grpcpp/grpcpp.h>

#include "daemon/control/service.h"
#include "daemon/rpc/bounds.h"
#include "daemon/rpc/socket_path.h"

namespace headgate::control {
namespace {

constexpr std::chrono::seconds kShutdownPatience{1};

// 100,000 deny entries with the longest reason are 26 MB.
constexpr rpc::Bounds kBounds{.max_request_bytes = 32 * 1024 * 1024,
                              .max_calls_each = 32,
                              .max_buffer_bytes = 256 * 1024 * 1024};

}  // namespace

Result<void> prepare_socket_path(const std::string& path) {
  return rpc::prepare_socket_path(path, "control.socket");
}

struct Server::State {
  State(manage::Manager& manager, const Identity& identity) : service(manager, identity) {}
  ~State() {
    service.stop();
    // gRPC removes the socket file.
    if (server) server->Shutdown(std::chrono::system_clock::now() + kShutdownPatience);
  }

  Service service;
  std::unique_ptr<grpc::Server> server;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::Server(Server&&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::start(const std::string& socket_path, manage::Manager& manager,
                             const Identity& identity) {
  auto state = std::make_unique<State>(manager, identity);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket_path, grpc::InsecureServerCredentials());
  builder.RegisterService(&state->service);
  rpc::set_bounds(builder, "control", kBounds);
  state->server = rpc::start(builder);
  if (!state->server) {
    return fail(ErrorCode::kUnavailable, "cannot listen on control socket " + socket_path);
  }
  return Server(std::move(state));
}

}  // namespace headgate::control
