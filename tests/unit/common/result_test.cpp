// SPDX-License-Identifier: Apache-2.0
#include "common/result.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace headgate {
namespace {

TEST(Error, TellsTheWholeChainOfCauses) {
  const Result<int> root = fail(ErrorCode::kNotFound, "no such file");
  const Result<int> middle = fail("cannot open a.yaml", root.error());
  const Result<int> outer = fail("cannot start", middle.error());
  EXPECT_EQ(outer.error().to_string(), "cannot start: cannot open a.yaml: no such file");
  EXPECT_EQ(outer.error().code, ErrorCode::kNotFound);
}

TEST(Error, TakesItsCodeFromErrno) {
  const auto code_of = [](int number) { return Result<int>(fail_errno("x", number)).error().code; };
  EXPECT_EQ(code_of(ENOENT), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(EPERM), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of(EACCES), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code_of(EIO), ErrorCode::kInternal);
  EXPECT_EQ(Result<int>(fail_errno("a.yaml: cannot open", ENOENT)).error().message,
            "a.yaml: cannot open: No such file or directory");
}

}  // namespace
}  // namespace headgate
