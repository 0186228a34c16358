// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "daemon/manage/manager.h"

namespace headgate::control {

// What the daemon says of itself.
struct Identity {
  std::string version;
  std::string config_file;
  std::string cgroup;
  std::string netns;  // as configured, joined with ", "
  std::chrono::system_clock::time_point start_time;
  std::string pin_dir = {};
  bool counts_are_shared = false;
  // Those that the rules hold in now, as the configuration names them. Any thread. None: as
  // `netns`.
  std::function<std::vector<std::string>()> namespaces = {};
};

// Makes `path` free to serve on (rpc::prepare_socket_path). Call it before anything is enforced.
Result<void> prepare_socket_path(const std::string& path);

// The control API (proto/headgate/control/v1) on a Unix socket of mode 0660. Serves on threads of
// its own until it is destroyed, then removes the socket. The manager outlives it. Callers that
// say nothing, too much or nonsense, or never read, cost a bounded amount of memory and keep nobody
// else waiting (service.h).
class Server {
 public:
  // Errors: kUnavailable. The path has been prepared.
  static Result<Server> start(const std::string& socket_path, manage::Manager& manager,
                              const Identity& identity);
  Server(Server&&) noexcept;
  ~Server();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headgate::control
