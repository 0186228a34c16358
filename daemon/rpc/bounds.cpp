// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc/bounds.h"

#include <sys/stat.h>

#include <cstdlib>

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

namespace headgate::rpc {

void set_bounds(grpc::ServerBuilder& builder, const std::string& name, const Bounds& bounds) {
  builder.SetMaxReceiveMessageSize(bounds.max_request_bytes);
  builder.SetResourceQuota(grpc::ResourceQuota(name).Resize(bounds.max_buffer_bytes));
  const auto set = [&builder](const char* key, std::chrono::milliseconds time) {
    builder.AddChannelArgument(key, static_cast<int>(time.count()));
  };
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, bounds.max_metadata_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, bounds.max_calls_each);
  set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, bounds.handshake);
  set(GRPC_ARG_MAX_CONNECTION_IDLE_MS, bounds.idle);
  set(GRPC_ARG_KEEPALIVE_TIME_MS, bounds.keepalive);
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, bounds.keepalive_patience);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no bound on ours
}

namespace {

// They write to stderr a line for each caller that breaks the protocol, as often as callers like.
void quiet_libraries() {
  if (std::getenv("GRPC_VERBOSITY") != nullptr) return;
  gpr_set_log_function([](gpr_log_func_args*) {});
  google::protobuf::SetLogHandler(nullptr);
}

}  // namespace

std::unique_ptr<grpc::Server> start(grpc::ServerBuilder& builder) {
  quiet_libraries();
  constexpr mode_t kSocketMode = 0660;
  const mode_t old_mask = umask(0777 & ~kSocketMode);
  auto server = builder.BuildAndStart();
  umask(old_mask);
  return server;
}

}  // namespace headgate::rpc
