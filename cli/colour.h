// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace headgate::cli {

// Colours on a terminal, and nothing where `is_on` is false.
struct Colour {
  bool is_on = false;

  // As https://no-color.org says.
  static Colour of_stdout() {
    const char* no_color = std::getenv("NO_COLOR");
    return {isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0')};
  }

  std::string good(const std::string& text) const { return in("32", text); }
  std::string bad(const std::string& text) const { return in("1;31", text); }
  std::string odd(const std::string& text) const { return in("33", text); }

 private:
  std::string in(const char* code, const std::string& text) const {
    return is_on ? std::string("\033[") + code + "m" + text + "\033[0m" : text;
  }
};

}  // namespace headgate::cli
