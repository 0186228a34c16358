// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/config/parse.h"

namespace headgate::config {

struct Case {
  std::string yaml;
  std::string message;
};

// Each configuration is refused with exactly this message.
inline void expect_messages(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.yaml);
    const Result<Config> config = parse(c.yaml, "f");
    if (config) {
      ADD_FAILURE() << "no error; expected " << c.message;
      continue;
    }
    EXPECT_EQ(config.error().message, c.message);
    EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument);
  }
}

// A rule whose last line is `line`, which is line 4 and begins at column 5.
inline std::string rule_with(const std::string& line) {
  return "rules:\n  - name: web\n    listen: 443\n    " + line + "\n";
}

inline Config parse_good(const std::string& yaml, const std::vector<Setting>& settings = {}) {
  Result<Config> config = parse(yaml, "f", settings);
  EXPECT_TRUE(config.has_value()) << config.error().message << " in\n" << yaml;
  return config ? *std::move(config) : Config{};
}

// The one rule of a configuration: `body` is its lines below the name.
inline Rule parse_rule(const std::string& body) {
  Config config = parse_good("rules:\n  - name: web\n    listen: 443\n" + body);
  return config.rules.empty() ? Rule{} : config.rules.front();
}

inline Prefix prefix(const std::string& text) {
  return *Prefix::parse(text);
}

}  // namespace headgate::config
