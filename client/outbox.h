// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "quota/attach.h"

namespace headgate::client {

// What the daemon is to be told soon. Who adds never waits: when the outbox is full or busy, it is
// lost, which adaptive limits and penalties can bear. Thread-safe.
class Outbox {
 public:
  Outbox();

  void add(const quota::attach::Sample& sample);
  // Longer values than an address are no address.
  void add_refusal(std::uint64_t limit, std::string_view value);

  struct Letters {
    std::vector<quota::attach::Sample> samples;
    std::vector<quota::attach::Refusal> refusals;
  };
  // All since the last time. One thread.
  Letters take();

 private:
  static constexpr std::size_t kRoom = 4096;
  static constexpr std::size_t kAddressBytes = 45;  // the longest IPv6 address as text

  struct ShortRefusal {
    std::uint64_t limit = 0;
    std::uint8_t size = 0;
    char value[kAddressBytes] = {};
  };

  std::mutex mutex_;
  std::vector<quota::attach::Sample> samples_;
  std::vector<ShortRefusal> refusals_;
  // Their place while those that were there are read: nobody who adds has to ask for memory.
  std::vector<quota::attach::Sample> taken_samples_;
  std::vector<ShortRefusal> taken_refusals_;
};

}  // namespace headgate::client
