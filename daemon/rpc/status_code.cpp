// SPDX-License-Identifier: Apache-2.0
#include "daemon/rpc/status_code.h"

namespace headgate::rpc {
namespace {

// The message of a status travels as metadata, percent-encoded: up to three bytes for each of its
// own. A caller's default limit for all metadata is 8 KiB, and beyond it the message is lost.
constexpr std::size_t kMaxMessageBytes = 2000;

std::string cut_short(const std::string& message) {
  if (message.size() <= kMaxMessageBytes) return message;
  std::size_t end = kMaxMessageBytes;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xc0U) == 0x80U) --end;
  return message.substr(0, end) + " …";
}

grpc::StatusCode code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case ErrorCode::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case ErrorCode::kPermissionDenied:
      return grpc::StatusCode::PERMISSION_DENIED;
    case ErrorCode::kUnavailable:
      return grpc::StatusCode::UNAVAILABLE;
    case ErrorCode::kUnsupported:
      return grpc::StatusCode::UNIMPLEMENTED;
    case ErrorCode::kInternal:
      break;
  }
  return grpc::StatusCode::INTERNAL;
}

}  // namespace

grpc::Status to_status(grpc::StatusCode code, const std::string& message) {
  return {code, cut_short(message)};
}

grpc::Status to_status(const Error& error) {
  return to_status(code_of(error.code), error.to_string());
}

}  // namespace headgate::rpc
