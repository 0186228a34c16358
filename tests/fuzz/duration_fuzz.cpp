// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/number.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto duration = headgate::config::parse_duration(headgate::input_text(data, size));
  if (!duration) return 0;
  headgate::require(duration->count() >= 0, "a duration is not negative");
  const std::string text = headgate::config::format_duration(*duration);
  headgate::require(headgate::config::parse_duration(text) == duration,
                    "a duration is read as it is written");
  return 0;
}
