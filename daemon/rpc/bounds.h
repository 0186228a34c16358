// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include <grpcpp/server_builder.h>

namespace headgate::rpc {

// What callers of a gRPC server may take of the daemon.
struct Bounds {
  int max_request_bytes = 0;
  int max_metadata_bytes = 16 * 1024;
  int max_calls_each = 0;                                // at once, of one connection
  std::size_t max_buffer_bytes = 0;                      // of gRPC, all connections together
  std::chrono::milliseconds handshake{5'000};            // a connection that says nothing
  std::chrono::milliseconds idle{300'000};               // a connection without calls
  std::chrono::milliseconds keepalive{20'000};           // asks those with calls, …
  std::chrono::milliseconds keepalive_patience{10'000};  // … who must answer in time
};
void set_bounds(grpc::ServerBuilder& builder, const std::string& name, const Bounds& bounds);

// BuildAndStart(), with mode 0660 for Unix sockets. Null: it cannot listen. Changes the umask of
// the process meanwhile: call it while nobody else makes files.
std::unique_ptr<grpc::Server> start(grpc::ServerBuilder& builder);

}  // namespace headgate::rpc
