// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "common/unique_fd.h"
#include "daemon/control/handlers.h"

namespace headgate::control {
namespace {

constexpr mode_t kSocketMode = 0660;
constexpr std::chrono::seconds kShutdownPatience{1};

// Only a refusal proves that nobody listens; any other failure might be this process's own.
bool is_abandoned(const std::string& path) {
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

Result<void> prepare_socket_path(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (error) return fail_errno("cannot make the directory of " + path, error.value());
  struct stat file {};
  if (lstat(path.c_str(), &file) != 0) return {};
  if (!S_ISSOCK(file.st_mode)) {
    return fail(ErrorCode::kInvalidArgument,
                path + " exists and is not a socket; choose another control.socket");
  }
  if (!is_abandoned(path)) {
    return fail(ErrorCode::kUnavailable, "another daemon already serves " + path +
                                             "; stop it or choose another control.socket");
  }
  if (unlink(path.c_str()) != 0) return fail_errno("cannot replace " + path, errno);
  return {};
}

struct Server::State {
  State(const observe::Observer& observer, const Identity& identity)
      : handlers(observer, identity) {}
  ~State() {
    // gRPC removes the socket file.
    if (server) server->Shutdown(std::chrono::system_clock::now() + kShutdownPatience);
  }

  Handlers handlers;
  std::unique_ptr<grpc::Server> server;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::Server(Server&&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::start(const std::string& socket_path, const observe::Observer& observer,
                             const Identity& identity) {
  auto state = std::make_unique<State>(observer, identity);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket_path, grpc::InsecureServerCredentials());
  builder.RegisterService(&state->handlers);
  // A few operators and scripts call it, not a fleet.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  const mode_t old_mask = umask(0777 & ~kSocketMode);
  state->server = builder.BuildAndStart();
  umask(old_mask);
  if (!state->server) {
    return fail(ErrorCode::kUnavailable, "cannot listen on control socket " + socket_path);
  }
  return Server(std::move(state));
}

}  // namespace headgate::control
