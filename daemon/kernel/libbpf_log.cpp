// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/libbpf_log.h"

#include <bpf/libbpf.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <utility>

namespace headgate::kernel {
namespace {

constexpr std::size_t kKeptBytes = 4096;  // a verifier log says what matters at its end

std::mutex mutex;
std::string warnings;

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  std::array<char, 16384> text{};
  const int length = std::vsnprintf(text.data(), text.size(), format, arguments);
  const std::lock_guard lock(mutex);
  warnings += text.data();
  if (warnings.size() > kKeptBytes) warnings.erase(0, warnings.size() - kKeptBytes);
  return length;
}

}  // namespace

void capture_libbpf_log() {
  libbpf_set_print(keep_warning);
}

std::string take_libbpf_warnings() {
  const std::lock_guard lock(mutex);
  std::string taken = std::exchange(warnings, {});
  while (!taken.empty() && taken.back() == '\n') taken.pop_back();
  return taken;
}

}  // namespace headgate::kernel
