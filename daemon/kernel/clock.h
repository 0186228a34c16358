// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <ctime>

namespace headgate::kernel {

inline std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// The clock of bpf_ktime_get_ns().
inline std::uint64_t monotonic_ns() {
  return clock_ns(CLOCK_MONOTONIC);
}

// The clock of bpf_ktime_get_boot_ns().
inline std::uint64_t boot_ns() {
  return clock_ns(CLOCK_BOOTTIME);
}

}  // namespace headgate::kernel
