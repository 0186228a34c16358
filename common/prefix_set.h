// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "common/ip.h"

namespace headgate {

// Answers "is this address in any of those?" at the cost of one look for each length there is.
class PrefixSet {
 public:
  explicit PrefixSet(const std::vector<Prefix>& prefixes);

  bool holds(const IpAddress& address) const;

 private:
  std::set<Prefix> prefixes_;
  std::set<std::pair<IpFamily, std::uint8_t>> lengths_;
};

}  // namespace headgate
