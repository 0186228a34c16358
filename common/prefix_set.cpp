// SPDX-License-Identifier: Apache-2.0
#include "common/prefix_set.h"

#include <algorithm>

namespace headgate {

PrefixSet::PrefixSet(const std::vector<Prefix>& prefixes)
    : prefixes_(prefixes.begin(), prefixes.end()) {
  for (const Prefix& prefix : prefixes_) lengths_.insert({prefix.address.family(), prefix.length});
}

bool PrefixSet::holds(const IpAddress& address) const {
  return std::any_of(lengths_.begin(), lengths_.end(), [&](const auto& length) {
    return length.first == address.family() &&
           prefixes_.count(Prefix::of(address, length.second)) > 0;
  });
}

}  // namespace headgate
