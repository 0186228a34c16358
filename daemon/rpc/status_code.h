// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <grpcpp/support/status.h>

#include "common/result.h"

namespace headgate::rpc {

// What the caller of a gRPC service gets for a failure.
grpc::Status to_status(const Error& error);
grpc::Status to_status(grpc::StatusCode code, const std::string& message);

}  // namespace headgate::rpc
