// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/path.h"

#include <string>

#include <gtest/gtest.h>

namespace headgate::config {
namespace {

TEST(PlainPath, LeavesOutWhatSaysNothing) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"/", ""},
      {"///", ""},
      {".", ""},
      {"/./", ""},
      {"a", "a"},
      {"/a", "a"},
      {"a/", "a"},
      {"/a/b/", "a/b"},
      {"a//b", "a/b"},
      {"./a/./b/.", "a/b"},
      {"..", ".."},
      {"a/../b", "a/../b"},
      {".a/b.", ".a/b."},
      {"a b/ ", "a b/ "},
  };
  for (const auto& [path, plain] : cases) EXPECT_EQ(plain_path(path), plain) << path;
}

}  // namespace
}  // namespace headgate::config
