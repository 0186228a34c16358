// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/support/status.h>

#include "common/result.h"
#include "daemon/rpc/status_code.h"

namespace headgate::control {

using rpc::to_status;

// What a caller gets for a failure of a reload: as to_status(), but a configuration that is wrong,
// missing or not to be read is FAILED_PRECONDITION, because nothing is wrong with the call.
grpc::Status reload_status(const Error& error);

}  // namespace headgate::control
