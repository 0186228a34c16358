// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/result.h"

namespace headgate {

inline std::string_view input_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Ends the run as a crash, which makes the fuzzer keep the input.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

// Bad input is the caller's fault and the message says so in one line; anything else would be ours.
inline void require_clean(const Error& error) {
  require(error.code == ErrorCode::kInvalidArgument, "bad input is kInvalidArgument");
  require(!error.message.empty() && error.message.find('\n') == std::string::npos,
          "a message is one line");
}

}  // namespace headgate
