// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/config/quota.h"
#include "quota/limit.h"

namespace headgate::quota {

// A limit that comes with the request, in place of the configured one.
struct LimitOverride {
  std::uint32_t requests = 0;
  config::QuotaUnit unit = config::QuotaUnit::kUnknown;  // never kUnknown
};

struct Descriptor {
  std::vector<Entry> entries;         // at least one
  std::optional<std::uint64_t> hits;  // none: as the request says; 0: look, and count nothing
  std::optional<LimitOverride> limit;
};

struct Request {
  std::string_view domain;              // never empty
  std::vector<Descriptor> descriptors;  // at least one
  std::uint64_t hits = 1;               // of each descriptor without its own
};

}  // namespace headgate::quota
