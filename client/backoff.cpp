// SPDX-License-Identifier: Apache-2.0
#include "headgate/backoff.h"

#include "client/seed.h"
#include "quota/backoff.h"
#include "quota/random.h"

namespace headgate::client {

std::chrono::nanoseconds Backoff::next(std::chrono::nanoseconds retry_after) noexcept {
  quota::Random random(fresh_seed());
  const std::chrono::nanoseconds wait =
      quota::backoff({options_.base, options_.cap}, failures_, random, retry_after);
  if (failures_ < 64) ++failures_;  // the wait has long come to the cap
  return wait;
}

}  // namespace headgate::client
