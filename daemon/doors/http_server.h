// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "common/result.h"
#include "daemon/doors/latency.h"
#include "daemon/quota/engine.h"

namespace headgate::doors {

// The HTTP door (http_answer.h), HTTP/1.1 with keep-alive on a TCP address. One thread serves all
// connections, and none waits for another. A connection has a time for each step, whatever it sends
// meanwhile, and a bounded size: a header of 8 KiB, a body of 256 KiB. When kMaxConnections are
// open, the one that has gone longest without a whole request gives way to a new one. Serves until
// it is destroyed.
class HttpServer {
 public:
  // `address`: ADDRESS:PORT. Errors: kUnavailable. The engine and the latency outlive the server.
  static Result<HttpServer> start(const std::string& address, quota::Engine& engine,
                                  Latency& latency);
  HttpServer(HttpServer&&) noexcept;
  ~HttpServer();

  std::uint16_t port() const;

  static constexpr std::size_t kMaxConnections = 1024;
  static constexpr std::size_t kMaxHeaderBytes = 8 * 1024;
  static constexpr std::size_t kMaxBodyBytes = 256 * 1024;
  static constexpr std::chrono::seconds kIdle{300};    // from an answer to the next request
  static constexpr std::chrono::seconds kRequest{10};  // from its first byte to its last
  static constexpr std::chrono::seconds kAnswer{10};   // until the client has taken it
  static constexpr std::chrono::seconds kFarewell{1};  // reads what still comes after an error

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headgate::doors
