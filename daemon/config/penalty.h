// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace headgate::config {

// A client refused `after` times, counted from the first refusal for `within`, is denied for
// `deny_for`; the next time for `grow` times as long as the last, never longer than `at_most`.
struct Penalty {
  std::uint32_t after = 0;                // 1..1'000'000
  std::chrono::milliseconds within{0};    // 1 s .. 1 h
  std::chrono::milliseconds deny_for{0};  // 1 s .. 365 d
  std::uint32_t grow = 1;                 // 1..100
  std::chrono::milliseconds at_most{0};   // >= deny_for; unless given: 1 d, or deny_for if longer

  friend bool operator==(const Penalty&, const Penalty&) = default;
};

}  // namespace headgate::config
