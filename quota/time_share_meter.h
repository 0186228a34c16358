// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace headgate::quota {

// Processing time that a client of this service has used, to be reported.
struct TimeShare {
  std::string user;    // empty: none
  std::string client;  // empty: none
  std::chrono::nanoseconds used{0};

  friend bool operator==(const TimeShare&, const TimeShare&) = default;
};

// Gathers what the requests of a service have used, so that it is reported in batches rather than
// by a call for each (KIP-124 counts it in samples of a second, so a batch each 100 ms loses
// nothing).
//
// Thread safety: any number of threads, by a mutex.
class TimeShareMeter {
 public:
  // More pairs of user and client than this are not kept apart between two batches: a service whose
  // clients make up names must not be filled by them.
  explicit TimeShareMeter(std::size_t most_pairs = 10'000) : most_pairs_(most_pairs) {}

  // False: there are too many pairs as yet. Take a batch, then add it again.
  [[nodiscard]] bool add(std::string_view user, std::string_view client,
                         std::chrono::nanoseconds used) {
    if (used.count() <= 0) return true;
    const std::lock_guard lock(mutex_);
    auto found = used_.find(std::tuple(user, client));
    if (found == used_.end()) {
      if (used_.size() >= most_pairs_) return false;
      found = used_.emplace(Key(user, client), std::chrono::nanoseconds(0)).first;
    }
    found->second += std::min(used, std::chrono::nanoseconds::max() - found->second);
    return true;
  }

  // All that was added since the last time, by user and client. A batch that could not be delivered
  // may be added again.
  std::vector<TimeShare> take() {
    Used used;
    {
      const std::lock_guard lock(mutex_);
      used.swap(used_);
    }
    std::vector<TimeShare> batch;
    batch.reserve(used.size());
    for (const auto& [key, time] : used) {
      batch.push_back({std::get<0>(key), std::get<1>(key), time});
    }
    return batch;
  }

 private:
  using Key = std::tuple<std::string, std::string>;
  using Used = std::map<Key, std::chrono::nanoseconds, std::less<>>;

  const std::size_t most_pairs_;
  std::mutex mutex_;
  Used used_;
};

}  // namespace headgate::quota
