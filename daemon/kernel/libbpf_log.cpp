// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/libbpf_log.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <iterator>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>

#include <xdp/libxdp.h>

namespace headgate::kernel {
namespace {

constexpr std::size_t kKeptBytes = 4096;  // a verifier log says what matters at its end

std::mutex mutex;
std::string warnings;

int keep(const char* format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (length < 0) return length;
  std::string text(static_cast<std::size_t>(length) + 1, '\0');
  std::vsnprintf(text.data(), text.size(), format, arguments);
  text.pop_back();
  const std::lock_guard lock(mutex);
  warnings += text;
  if (warnings.size() > kKeptBytes) warnings.erase(0, warnings.size() - kKeptBytes);
  return length;
}

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
  return level == LIBBPF_WARN ? keep(format, arguments) : 0;
}

int keep_xdp_warning(libxdp_print_level level, const char* format, va_list arguments) {
  return level == LIBXDP_WARN ? keep(format, arguments) : 0;
}

}  // namespace

void capture_libbpf_log() {
  libbpf_set_print(keep_warning);
  libxdp_set_print(keep_xdp_warning);
}

std::string verifier_objection(const std::string& log) {
  static const char* const kStatistics[] = {"processed ", "verification time ", "stack depth ",
                                            "-- END ", "libbpf: "};
  std::string last;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const bool is_other =
        line.empty() || std::any_of(std::begin(kStatistics), std::end(kStatistics),
                                    [&](const char* word) { return line.rfind(word, 0) == 0; });
    if (!is_other) last = line;
  }
  return last;
}

std::string take_libbpf_warnings() {
  const std::lock_guard lock(mutex);
  std::string taken = std::exchange(warnings, {});
  while (!taken.empty() && taken.back() == '\n') taken.pop_back();
  return taken;
}

}  // namespace headgate::kernel
