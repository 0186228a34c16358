// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/slowness.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "tests/lab/error.h"

namespace headgate::lab {
namespace {

int read_slowness() {
  const char* set = std::getenv("HEADGATE_LAB_SLOWNESS");
  if (!set) return 1;
  const std::string_view text(set);
  int times = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), times);
  if (error != std::errc() || end != text.data() + text.size() || times < 1 || times > 100) {
    throw LabError("HEADGATE_LAB_SLOWNESS is '" + std::string(text) + "', not 1 to 100");
  }
  return times;
}

}  // namespace

int slowness() {
  static const int times = read_slowness();
  return times;
}

}  // namespace headgate::lab
