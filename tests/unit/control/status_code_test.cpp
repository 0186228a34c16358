// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/status_code.h"

#include <gtest/gtest.h>

namespace headgate::control {
namespace {

using grpc::StatusCode;

Error error(ErrorCode code) {
  return {code, "what", nullptr};
}

TEST(StatusCode, EveryErrorHasOne) {
  EXPECT_EQ(to_status(error(ErrorCode::kInvalidArgument)).error_code(),
            StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(to_status(error(ErrorCode::kNotFound)).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(to_status(error(ErrorCode::kPermissionDenied)).error_code(),
            StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(to_status(error(ErrorCode::kUnavailable)).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(to_status(error(ErrorCode::kUnsupported)).error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(to_status(error(ErrorCode::kInternal)).error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(to_status(error(ErrorCode::kInternal)).error_message(), "what");
}

TEST(StatusCode, ABadConfigurationIsNoFaultOfTheCall) {
  for (const ErrorCode code :
       {ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kPermissionDenied}) {
    EXPECT_EQ(reload_status(error(code)).error_code(), StatusCode::FAILED_PRECONDITION);
  }
  EXPECT_EQ(reload_status(error(ErrorCode::kInternal)).error_code(), StatusCode::INTERNAL);
}

TEST(StatusCode, ALongMessageIsCutBetweenCharacters) {
  std::string text;
  while (text.size() < 100'000) text += "a€";
  const std::string message = to_status(StatusCode::INTERNAL, text).error_message();
  EXPECT_LT(message.size(), 2'100U);
  const std::string kept = message.substr(0, message.size() - std::string(" …").size());
  EXPECT_EQ(text.substr(0, kept.size()), kept);
  EXPECT_EQ(kept.size() % 4 == 0 || kept.size() % 4 == 1, true) << kept.size();
}

}  // namespace
}  // namespace headgate::control
