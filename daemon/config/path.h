// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace headgate::config {

// The names of a path with one '/' between them, without empty ones and '.':
// "/a//b/./c/" → "a/b/c", "/" → "". Text only: links and ".." stay what they are.
std::string plain_path(std::string_view path);

}  // namespace headgate::config
