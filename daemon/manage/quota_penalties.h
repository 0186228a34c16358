// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "common/lane.h"
#include "daemon/quota/engine.h"

namespace headgate::manage {

class LiveManager;

// Denies clients that a quota rule has a penalty for, on a thread of its own: whoever is refused
// does not wait for a change that is under way. Thread-safe.
class QuotaPenalties {
 public:
  // The manager outlives it.
  explicit QuotaPenalties(LiveManager& manager) : manager_(manager) {}

  void impose(const quota::Engine::Offence& offence);

 private:
  void carry_out(const quota::Engine::Offence& offence);

  static constexpr int kMostWaiting = 4096;  // what comes then is dropped, and may offend again

  LiveManager& manager_;
  std::atomic<int> waiting_ = 0;
  Lane lane_;
};

}  // namespace headgate::manage
