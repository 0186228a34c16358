// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/offenders.h"

#include <algorithm>

namespace headgate::quota {
namespace {

std::uint64_t to_ns(std::chrono::milliseconds time) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
}

// The last one is remembered for as long as the longest one takes.
std::chrono::milliseconds next_length(std::chrono::milliseconds last, std::uint64_t last_end_ns,
                                      const config::Penalty& penalty, std::uint64_t now_ns) {
  const bool is_remembered = last.count() != 0 && now_ns < last_end_ns + to_ns(penalty.at_most);
  if (!is_remembered) return std::min(penalty.deny_for, penalty.at_most);
  return std::clamp(last * penalty.grow, penalty.deny_for,
                    std::max(penalty.deny_for, penalty.at_most));
}

}  // namespace

Offenders::Record& Offenders::touch(const Key& key) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    records_.splice(records_.begin(), records_, found->second);
    return records_.front();
  }
  if (records_.size() >= most_) {
    by_key_.erase(records_.back().key);
    records_.pop_back();
  }
  records_.push_front({key, 0, 0, 0, {}});
  by_key_[key] = records_.begin();
  return records_.front();
}

std::optional<std::chrono::milliseconds> Offenders::note_refusal(std::uint64_t limit,
                                                                 const Prefix& client,
                                                                 const config::Penalty& penalty,
                                                                 std::uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  Record& record = touch({limit, client});
  if (now_ns < record.until_ns) return std::nullopt;  // denied: refused is what was under way
  if (record.count == 0 || now_ns - record.first_ns >= to_ns(penalty.within)) {
    record.first_ns = now_ns;
    record.count = 0;
  }
  if (++record.count < penalty.after) return std::nullopt;
  record.count = 0;
  record.length = next_length(record.length, record.until_ns, penalty, now_ns);
  record.until_ns = now_ns + to_ns(record.length);
  return record.length;
}

void Offenders::forget(std::uint64_t limit, const Prefix& client) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find({limit, client});
  if (found == by_key_.end()) return;
  records_.erase(found->second);
  by_key_.erase(found);
}

}  // namespace headgate::quota
