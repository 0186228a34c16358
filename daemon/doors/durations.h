// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <google/protobuf/duration.pb.h>

namespace headgate::doors {

inline void set(google::protobuf::Duration* message, std::chrono::nanoseconds time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  message->set_seconds(time.count() / kSecond);
  message->set_nanos(static_cast<std::int32_t>(time.count() % kSecond));
}

// None: it is not a Duration (its seconds or nanoseconds are out of range), or longer than a year.
inline std::optional<std::chrono::nanoseconds> time_of(const google::protobuf::Duration& message) {
  constexpr std::int64_t kYear = 365 * 86'400;
  constexpr std::int32_t kSecond = 1'000'000'000;
  if (message.seconds() < -kYear || message.seconds() > kYear || message.nanos() <= -kSecond ||
      message.nanos() >= kSecond) {
    return std::nullopt;
  }
  return std::chrono::seconds(message.seconds()) + std::chrono::nanoseconds(message.nanos());
}

}  // namespace headgate::doors
