// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <string>
#include <utility>

#include "common/unique_fd.h"

namespace headgate::quota {

// The rules of a domain for services that map its account (service_policy.h), and the file in which
// all of them are given the same bytes. Thread-safe.
class ServiceRules {
 public:
  explicit ServiceRules(std::string bytes) : bytes_(std::move(bytes)) {}

  const std::string& bytes() const { return bytes_; }
  // Made when it is asked for first: most domains have no such service. Nobody can change it, and
  // it is not the caller's to close. -1: there is no file to be had just now.
  int file() const;

 private:
  const std::string bytes_;
  mutable std::mutex mutex_;
  mutable UniqueFd file_;
};

}  // namespace headgate::quota
