// SPDX-License-Identifier: Apache-2.0
#include "quota/key.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace headgate::quota {
namespace {

std::pair<std::uint64_t, std::uint64_t> hash(std::uint64_t seed, std::uint64_t identity,
                                             const std::vector<std::string>& values) {
  KeyHash key(seed, identity);
  for (const std::string& value : values) key.add(value);
  const Fingerprint made = key.finish();
  return {made.high, made.low};
}

TEST(KeyHash, EverythingThatMakesAKeyAnotherOneCounts) {
  const auto base = hash(1, 2, {"alice", "/login"});
  EXPECT_EQ(hash(1, 2, {"alice", "/login"}), base);
  EXPECT_NE(hash(2, 2, {"alice", "/login"}), base);
  EXPECT_NE(hash(1, 3, {"alice", "/login"}), base);
  EXPECT_NE(hash(1, 2, {"/login", "alice"}), base);
  EXPECT_NE(hash(1, 2, {"alice/", "login"}), base);
  EXPECT_NE(hash(1, 2, {"alice/login"}), base);
  EXPECT_NE(hash(1, 2, {"alice", "/login", ""}), base);
}

TEST(KeyHash, LongKeysDifferInEveryByte) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  for (const std::size_t size : {200U, 240U, 250U, 256U, 300U, 4'000U}) {
    const std::string text(size, 'x');
    EXPECT_TRUE(seen.insert(hash(1, 2, {text})).second);
    for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
      std::string other = text;
      other[at] = 'y';
      EXPECT_TRUE(seen.insert(hash(1, 2, {other})).second) << size << ", " << at;
      EXPECT_TRUE(seen.insert(hash(1, 2, {"a", other, "b"})).second);
    }
  }
  const std::vector<std::string> many(100, "value");
  std::vector<std::string> other = many;
  other[3] = "walue";
  EXPECT_NE(hash(1, 2, many), hash(1, 2, other));
}

}  // namespace
}  // namespace headgate::quota
