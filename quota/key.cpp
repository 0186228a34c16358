// SPDX-License-Identifier: Apache-2.0
#include "quota/key.h"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace headgate::quota {

KeyHash::KeyHash(std::uint64_t seed, std::uint64_t identity) : seed_(seed) {
  add_bytes(&identity, sizeof(identity));
}

// With its length, so that "a", "bc" is another key than "ab", "c".
void KeyHash::add(std::string_view value) {
  const auto size = static_cast<std::uint32_t>(value.size());
  add_bytes(&size, sizeof(size));
  add_bytes(value.data(), value.size());
}

// When the room is used up, all until here is replaced by its hash; so is what would not fit even
// then.
void KeyHash::add_bytes(const void* bytes, std::size_t size) {
  if (size > kRoom - used_) put_hash(0, bytes_, used_);
  if (size > kRoom - used_) {
    put_hash(used_, bytes, size);
    return;
  }
  std::memcpy(bytes_ + used_, bytes, size);
  used_ += size;
}

void KeyHash::put_hash(std::size_t at, const void* bytes, std::size_t size) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, size, seed_);
  std::memcpy(bytes_ + at, &hash, sizeof(hash));
  used_ = at + sizeof(hash);
}

Fingerprint KeyHash::finish() const {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes_, used_, seed_);
  return {hash.high64, hash.low64};
}

std::uint64_t stable_hash(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

}  // namespace headgate::quota
