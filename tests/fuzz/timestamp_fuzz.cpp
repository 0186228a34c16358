// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/timestamp.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto time = headgate::config::parse_timestamp(headgate::input_text(data, size));
  if (!time) return 0;
  const std::string text = headgate::config::format_timestamp(*time);
  headgate::require(text.size() == 20, "a moment has one form");
  headgate::require(headgate::config::parse_timestamp(text) == time,
                    "a moment is read as it is written");
  return 0;
}
