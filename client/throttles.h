// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>

namespace headgate::client {

// Who is to be silent, and until when. Thread-safe.
class Throttles {
 public:
  using Clock = std::chrono::steady_clock;

  void put(const std::string& user, const std::string& client, std::chrono::nanoseconds time,
           Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    const auto known = until_.find(std::tie(user, client));
    if (known != until_.end()) {
      known->second = now + time;
      return;
    }
    // Who is looked for in a full house is looked for once a second: callers wait meanwhile.
    if (until_.size() >= kMost && now - swept_ >= std::chrono::seconds(1)) {
      std::erase_if(until_, [&](const auto& one) { return one.second <= now; });
      swept_ = now;
    }
    if (until_.size() < kMost) until_.emplace(std::tie(user, client), now + time);
  }

  // How long this one still; 0: not at all.
  std::chrono::nanoseconds left(std::string_view user, std::string_view client,
                                Clock::time_point now) const {
    const std::lock_guard lock(mutex_);
    const auto found = until_.find(std::tuple(user, client));
    if (found == until_.end() || found->second <= now) return std::chrono::nanoseconds(0);
    return found->second - now;
  }

 private:
  static constexpr std::size_t kMost = 100'000;

  mutable std::mutex mutex_;
  Clock::time_point swept_{};  // when those were forgotten that are over
  std::map<std::tuple<std::string, std::string>, Clock::time_point, std::less<>> until_;
};

}  // namespace headgate::client
