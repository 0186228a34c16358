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
#include <grpcpp/resource_quota.h>

#include "common/unique_fd.h"
#include "daemon/control/service.h"

namespace headgate::control {
namespace {

constexpr mode_t kSocketMode = 0660;
constexpr std::chrono::seconds kShutdownPatience{1};

// What one caller may take of the daemon. 100,000 deny entries with the longest reason are 26 MB.
constexpr int kMaxRequestBytes = 32 * 1024 * 1024;
constexpr int kMaxMetadataBytes = 16 * 1024;
constexpr int kMaxCallsEach = 32;                           // at once, of one connection
constexpr std::size_t kMaxBufferBytes = 256 * 1024 * 1024;  // of gRPC, all connections together
constexpr std::chrono::milliseconds kHandshake{5'000};      // a connection that says nothing
constexpr std::chrono::milliseconds kIdle{300'000};         // a connection without calls
constexpr std::chrono::milliseconds kKeepalive{20'000};     // asks those with calls, …
constexpr std::chrono::milliseconds kKeepalivePatience{10'000};  // … who must answer in time

void set_bounds(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetResourceQuota(grpc::ResourceQuota("control").Resize(kMaxBufferBytes));
  const auto set = [&builder](const char* key, std::chrono::milliseconds time) {
    builder.AddChannelArgument(key, static_cast<int>(time.count()));
  };
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxCallsEach);
  set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshake);
  set(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdle);
  set(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepalive);
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepalivePatience);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no bound on ours
}

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
  set_bounds(builder);
  const mode_t old_mask = umask(0777 & ~kSocketMode);
  state->server = builder.BuildAndStart();
  umask(old_mask);
  if (!state->server) {
    return fail(ErrorCode::kUnavailable, "cannot listen on control socket " + socket_path);
  }
  return Server(std::move(state));
}

}  // namespace headgate::control
