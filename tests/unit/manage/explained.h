// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "daemon/config/parse.h"
#include "daemon/manage/explain.h"

namespace headgate::manage {

inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline constexpr std::uint64_t kNow = 5000 * kSecond;   // CLOCK_MONOTONIC
inline constexpr std::uint64_t kBoot = 9000 * kSecond;  // CLOCK_BOOTTIME

// A rule as configured and as compiled, and what the kernel's judge found of one client.
struct Case {
  config::Config config;
  policy::Policy policy;
  hg_explanation found{};

  explicit Case(const std::string& body, const std::string& rest = "") {
    auto parsed =
        config::parse("rules:\n  - name: web\n    listen: 80\n    " + body + "\n" + rest, "f");
    EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
    config = *std::move(parsed);
    policy = *policy::compile(config, "f");
    found.now_ns = kNow;
    found.boot_now_ns = kBoot;
    found.generation = 7;
    found.rule = 1;
    found.limits = compiled().limits;
  }

  const hg_rule& compiled() const { return policy.rules.at(1).limits; }
  Explanation explain(const std::string& client = "192.0.2.7") const {
    return to_explanation(found, config.rules[0], compiled(), *IpAddress::parse(client));
  }
  // In seconds.
  std::int64_t retry() const { return retry_after(found, compiled()).count(); }
};

}  // namespace headgate::manage
