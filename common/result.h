// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace headgate {

// What kind of failure it is, so that a caller can choose an exit code or an RPC status.
enum class ErrorCode {
  kInvalidArgument,   // the caller's input is wrong: the message says where and what would be right
  kNotFound,          // a named thing (file, namespace, rule) does not exist
  kPermissionDenied,  // the process lacks a right: the message says which
  kUnavailable,       // a peer or resource is not there now; trying again may help
  kUnsupported,       // this kernel or machine cannot do it: the message says what it lacks
  kInternal,          // a bug or an unexpected answer from the system
};

// A recoverable failure. `message` is one line for a human, without a trailing full stop.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::shared_ptr<const Error> cause;  // what led to it; null at the root

  // "message: cause: its cause …"
  std::string to_string() const;
};

template <typename T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message), nullptr});
}

// Wraps `cause` in a message of its own and keeps the cause's code.
tl::unexpected<Error> fail(std::string message, Error cause);

// From an errno value: ENOENT is kNotFound, EPERM and EACCES are kPermissionDenied,
// EOPNOTSUPP, ENOSYS and EINVAL stay kInternal because their meaning is the caller's to know.
tl::unexpected<Error> fail_errno(std::string_view what, int error_number);

}  // namespace headgate
