// SPDX-License-Identifier: Apache-2.0
#include "common/ip.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using headgate::Prefix;
  const auto prefix = Prefix::parse(headgate::input_text(data, size));
  if (!prefix) {
    headgate::require(prefix.error().code == headgate::ErrorCode::kInvalidArgument,
                      "bad input is kInvalidArgument");
    return 0;
  }
  const auto again = Prefix::parse(prefix->to_string());
  headgate::require(again.has_value() && *again == *prefix, "a prefix is read as it is written");
  headgate::require(std::hash<Prefix>{}(*again) == std::hash<Prefix>{}(*prefix),
                    "equal prefixes have equal hashes");
  headgate::require(Prefix::of(prefix->address, prefix->length) == *prefix, "no host bits are set");
  return 0;
}
