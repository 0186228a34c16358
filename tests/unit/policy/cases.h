// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/config/parse.h"
#include "daemon/policy/policy.h"

namespace headgate::policy {

inline Result<Policy> compile_yaml(const std::string& yaml, const Numbers& previous = {}) {
  const Result<config::Config> config = config::parse(yaml, "f");
  if (!config) return tl::unexpected(config.error());
  return compile(*config, "f", previous);
}

inline Policy compile_good(const std::string& yaml, const Numbers& previous = {}) {
  Result<Policy> policy = compile_yaml(yaml, previous);
  EXPECT_TRUE(policy.has_value()) << policy.error().message << " in\n" << yaml;
  return policy ? *std::move(policy) : Policy{};
}

// The one rule of a configuration, as the kernel reads it: `body` is what follows its `listen`.
inline hg_rule compile_rule_with(const std::string& body) {
  const Policy policy = compile_good("rules:\n  - name: web\n    listen: 443\n    " + body + "\n");
  return policy.rules.empty() ? hg_rule{} : policy.rules.begin()->second.limits;
}

inline std::vector<PrefixEntry> entries_of(const Policy& policy, hg_prefix_kind kind) {
  std::vector<PrefixEntry> found;
  std::copy_if(policy.prefixes.begin(), policy.prefixes.end(), std::back_inserter(found),
               [kind](const PrefixEntry& entry) { return entry.first.kind == kind; });
  return found;
}

// 32 hexadecimal digits.
inline std::string bytes_of(const hg_address& address) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<unsigned char, sizeof(address)> bytes{};
  std::memcpy(bytes.data(), &address, sizeof(address));
  std::string text;
  for (const unsigned char byte : bytes) text += {kHex[byte >> 4U], kHex[byte & 0xfU]};
  return text;
}

inline std::string bytes_of(const hg_prefix_key& key) {
  hg_address address{};
  std::memcpy(&address, key.address, sizeof(address));
  return bytes_of(address);
}

}  // namespace headgate::policy
