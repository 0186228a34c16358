// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/status_code.h"

namespace headgate::control {

grpc::Status reload_status(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kPermissionDenied:
      return to_status(grpc::StatusCode::FAILED_PRECONDITION, error.to_string());
    default:
      return to_status(error);
  }
}

}  // namespace headgate::control
