// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <random>

namespace headgate::client {

// Of jitter: another one each time and in each process, also in both after a fork().
inline std::uint64_t fresh_seed() noexcept {
  try {
    std::random_device device;
    return std::uint64_t{device()} << 32U | device();
  } catch (const std::exception&) {  // better little jitter than none of what it is for
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
}

}  // namespace headgate::client
