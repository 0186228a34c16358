// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/quota/engine.h"

// Rules as the configuration has them, and an engine whose clock stands still until it is told to
// go.
namespace headgate::quota {

using Entries = std::vector<Entry>;

inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline constexpr std::uint64_t kBegin = 1'795'000'000 * kSecond;  // 40 s into a minute

inline std::uint64_t fake_wall_ns = kBegin;
inline std::uint64_t fake_steady_ns = 1'000 * kSecond;

inline void pass(std::uint64_t ns) {
  fake_wall_ns += ns;
  fake_steady_ns += ns;
}

inline Engine::Clock fake_clock() {
  fake_wall_ns = kBegin;
  fake_steady_ns = 1'000 * kSecond;
  return {[] { return fake_wall_ns; }, [] { return fake_steady_ns; }};
}

inline config::QuotaLimit per_minute(std::uint32_t requests) {
  config::QuotaLimit limit;
  limit.requests = requests;
  limit.per = std::chrono::minutes(1);
  limit.unit = config::QuotaUnit::kMinute;
  return limit;
}

inline config::QuotaLimit rolling(std::uint32_t requests, std::chrono::milliseconds per,
                                  std::uint32_t burst) {
  config::QuotaLimit limit;
  limit.algorithm = config::QuotaAlgorithm::kGcra;
  limit.requests = requests;
  limit.per = per;
  limit.burst = burst;
  return limit;
}

inline config::QuotaRule rule(const std::string& key, std::optional<config::QuotaLimit> limit,
                              std::optional<std::string> value = std::nullopt) {
  config::QuotaRule made;
  made.key = key;
  made.value = std::move(value);
  made.limit = limit;
  return made;
}

inline config::QuotaRule named(config::QuotaRule made, const std::string& name) {
  made.name = name;
  return made;
}

inline config::Quotas domain(std::vector<config::QuotaRule> rules,
                             const std::string& name = "api") {
  config::Quotas quotas;
  quotas.domains.emplace_back();
  quotas.domains.back().name = name;
  quotas.domains.back().descriptors = std::move(rules);
  return quotas;
}

class World : public testing::Test {
 protected:
  void put(const config::Quotas& quotas) { ASSERT_TRUE(engine.put_in_force(quotas)); }
  void put(std::vector<config::QuotaRule> rules) { put(domain(std::move(rules))); }

  Decision ask(std::vector<Descriptor> descriptors, std::uint64_t hits = 1) {
    auto decision = engine.check({"api", std::move(descriptors), hits});
    EXPECT_TRUE(decision) << decision.error().to_string();
    return decision ? *std::move(decision) : Decision{};
  }
  // Of one descriptor.
  Verdict ask(Entries entries, std::uint64_t hits = 1) {
    last = ask({Descriptor{std::move(entries), std::nullopt, std::nullopt}}, hits);
    return last.verdicts.at(0);
  }
  const Tally& tally(std::size_t limit = 0) {
    return *engine.policy()->domains.at("api").limits.at(limit)->tally;
  }

  Engine engine{fake_clock()};
  Decision last;  // keeps the limits of the verdict
};

}  // namespace headgate::quota
