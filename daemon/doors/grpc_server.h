// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "common/result.h"
#include "daemon/config/quota.h"
#include "daemon/doors/latency.h"
#include "daemon/quota/engine.h"

namespace headgate::doors {

// The gRPC door: envoy.service.ratelimit.v3.RateLimitService, headgate.quota.v1.QuotaService, the
// standard health service (overall, and for each of the two) and server reflection. On a Unix
// socket of mode 0660, and on a TCP address if there is one, with TLS if that is configured. Serves
// on threads of its own, no more with more callers, until it is destroyed; then removes the socket.
// Callers that say nothing, too much or nonsense cost a bounded amount of memory.
class GrpcServer {
 public:
  // Errors: kUnavailable; those of tls_credentials(). The socket's path has been prepared. The
  // engine and the latency outlive the server.
  static Result<GrpcServer> start(const config::Quotas& quotas, quota::Engine& engine,
                                  Latency& latency);
  GrpcServer(GrpcServer&&) noexcept;
  ~GrpcServer();

  // Of the TCP address; 0: there is none.
  std::uint16_t port() const;

 private:
  struct State;
  explicit GrpcServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headgate::doors
