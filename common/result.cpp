// SPDX-License-Identifier: Apache-2.0
#include "common/result.h"

#include <system_error>

#include <cerrno>

namespace headgate {

std::string Error::to_string() const {
  std::string text = message;
  for (const Error* inner = cause.get(); inner != nullptr; inner = inner->cause.get()) {
    text += ": " + inner->message;
  }
  return text;
}

tl::unexpected<Error> fail(std::string message, Error cause) {
  const ErrorCode code = cause.code;
  return tl::unexpected<Error>(
      Error{code, std::move(message), std::make_shared<const Error>(std::move(cause))});
}

tl::unexpected<Error> fail_errno(std::string_view what, int error_number) {
  ErrorCode code = ErrorCode::kInternal;
  if (error_number == ENOENT) code = ErrorCode::kNotFound;
  if (error_number == EPERM || error_number == EACCES) code = ErrorCode::kPermissionDenied;
  return fail(code, std::string(what) + ": " + std::generic_category().message(error_number));
}

}  // namespace headgate
