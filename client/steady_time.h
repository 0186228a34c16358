// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace headgate::client {

// As the arithmetic of quota/ has it.
inline std::uint64_t to_ns(std::chrono::steady_clock::time_point time) {
  using std::chrono::nanoseconds;
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<nanoseconds>(time.time_since_epoch()).count());
}

inline std::uint64_t steady_ns() {
  return to_ns(std::chrono::steady_clock::now());
}

}  // namespace headgate::client
