// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <random>

namespace headgate::doors {

// Evenly spread over 0..1; each thread has a sequence of its own. Not for secrets.
inline double random_fraction() {
  thread_local std::minstd_rand engine(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

}  // namespace headgate::doors
