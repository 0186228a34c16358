// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <grpcpp/support/status.h>

#include "common/result.h"

namespace headgate::control {

// What a caller of the control API gets for a failure.
grpc::Status to_status(const Error& error);
grpc::Status to_status(grpc::StatusCode code, const std::string& message);

// The same for a failure of a reload: a configuration that is wrong, missing or not to be read is
// FAILED_PRECONDITION, because nothing is wrong with the call.
grpc::Status reload_status(const Error& error);

}  // namespace headgate::control
