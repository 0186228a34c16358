// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "quota/table.h"

namespace headgate::quota {

// Makes the fingerprint of a key: the identity of its limit, and the values that it is counted by,
// in their order. The hash is XXH3 with a secret seed of the table's.
class KeyHash {
 public:
  KeyHash(std::uint64_t seed, std::uint64_t identity);
  void add(std::string_view value);
  Fingerprint finish() const;

 private:
  void add_bytes(const void* bytes, std::size_t size);
  void put_hash(std::size_t at, const void* bytes, std::size_t size);

  static constexpr std::size_t kRoom = 256;  // longer keys are hashed in several pieces

  std::uint64_t seed_;
  std::size_t used_ = 0;
  char bytes_[kRoom];
};

// A hash of a text, the same on every machine and in every run.
std::uint64_t stable_hash(std::string_view text);

}  // namespace headgate::quota
