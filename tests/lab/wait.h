// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <thread>

#include "tests/lab/slowness.h"

namespace headgate::lab {

// Asks `predicate` every `interval` until it holds (true) or `timeout`, as long as this machine is
// allowed to take for it, has passed (false).
template <typename Predicate>
bool eventually(std::chrono::milliseconds timeout, Predicate predicate,
                std::chrono::milliseconds interval = std::chrono::milliseconds(10)) {
  const auto end = std::chrono::steady_clock::now() + allowed(timeout);
  while (!predicate()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(interval);
  }
  return true;
}

}  // namespace headgate::lab
