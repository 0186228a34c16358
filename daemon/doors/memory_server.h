// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "daemon/quota/engine.h"

namespace headgate::doors {

// The door for memory: hands a domain's account to services that decide by themselves in it
// (libheadgate-client), and gives back what a process held that has ended. One thread of its own.
class MemoryServer {
 public:
  // `path` is free. Errors: kUnavailable, kPermissionDenied. The engine outlives it.
  static Result<MemoryServer> start(const std::string& path, quota::Engine& engine);
  MemoryServer(MemoryServer&&) noexcept;
  ~MemoryServer();

  // The rules have changed: tells all services. Any thread.
  void follow_rules();

  static constexpr std::size_t kMostServices = 4096;

 private:
  struct State;
  explicit MemoryServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headgate::doors
