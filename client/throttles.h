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
    if (until_.size() >= kMost)
      std::erase_if(until_, [&](const auto& one) { return one.second <= now; });
    if (until_.size() < kMost) until_[{user, client}] = now + time;
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
  std::map<std::tuple<std::string, std::string>, Clock::time_point, std::less<>> until_;
};

}  // namespace headgate::client
