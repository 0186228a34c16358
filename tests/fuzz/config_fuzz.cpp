// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "daemon/config/difference.h"
#include "daemon/config/flatten.h"
#include "daemon/config/parse.h"
#include "fuzz.h"

namespace headgate {
namespace {

// What a rule says, written as settings of an empty rule, must say the same again.
void check_flattened(const config::Rule& rule) {
  std::vector<config::Setting> settings;
  const auto flat = config::flatten(rule);
  for (const auto& [key, value] : flat) {
    if (!key.starts_with("overrides[")) settings.push_back({"again", key, value, {}});
  }
  const auto again = config::parse("rules: [{ name: again, listen: 1 }]", "f", settings);
  if (!again) std::fprintf(stderr, "%s\n", again.error().message.c_str());
  require(again.has_value(), "a flattened rule is valid settings");
  for (const auto& [key, value] : config::flatten(again->rules.at(0))) {
    require(flat.at(key) == value, "a flattened rule means the same");
  }
}

}  // namespace
}  // namespace headgate

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = headgate::config::parse(headgate::input_text(data, size), "f");
  if (!config) {
    headgate::require_clean(config.error());
    headgate::require(config.error().message.starts_with("f:"), "a message has its place");
    return 0;
  }
  for (const auto& rule : config->rules) headgate::check_flattened(rule);
  headgate::require(headgate::config::difference(*config, *config).empty(),
                    "a configuration does not differ from itself");
  return 0;
}
