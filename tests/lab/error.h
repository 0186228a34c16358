// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace headgate::lab {

// The lab could not be set up or a tool of it failed: never a verdict on headgate. GoogleTest
// turns it into a failed test with this message.
class LabError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Returns `result`, or throws with `what` and errno when it is negative.
template <typename T>
T check(T result, const std::string& what) {
  if (result < 0) throw LabError(what + ": " + std::strerror(errno));
  return result;
}

}  // namespace headgate::lab
