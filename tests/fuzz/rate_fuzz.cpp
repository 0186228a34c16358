// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/number.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using headgate::require;
  const std::string_view text = headgate::input_text(data, size);
  const auto rate = headgate::config::parse_rate(text);
  if (!rate) return 0;
  require(headgate::config::format_rate(*rate) == text, "a rate has one form");
  require(rate->count >= 1 && rate->per.count() > 0, "a rate is not zero");
  const auto milliseconds = static_cast<std::uint64_t>(rate->per.count());
  require(std::uint64_t{rate->count} * 1000 <= 1'000'000 * milliseconds, "1000000/s at most");
  require(rate->burst >= 1 && rate->burst <= headgate::config::kMaxBurst, "the burst is in range");
  return 0;
}
