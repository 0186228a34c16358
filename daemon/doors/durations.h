// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

#include <google/protobuf/duration.pb.h>

namespace headgate::doors {

inline void set(google::protobuf::Duration* message, std::chrono::nanoseconds time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  message->set_seconds(time.count() / kSecond);
  message->set_nanos(static_cast<std::int32_t>(time.count() % kSecond));
}

}  // namespace headgate::doors
