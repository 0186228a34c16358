// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "quota/fixed_window.h"
#include "quota/gcra.h"

// One limit on requests, as far as all who judge by it have to know it: the daemon, and the
// services that map its memory.
namespace headgate::quota {

// The numbers are those of the contract (envoy.service.ratelimit.v3.RateLimitResponse).
enum class Unit : std::uint8_t {
  kUnknown = 0,  // a native `per` that is none of these
  kSecond = 1,
  kMinute = 2,
  kHour = 3,
  kDay = 4,
  kMonth = 5,  // 30 days
  kYear = 6,   // 365 days
  kWeek = 7,
};

enum class Algorithm : std::uint8_t {
  kFixedWindow,  // windows aligned to the epoch; the default of rule files
  kGcra,         // a rolling limit; the default of native rules
  kConcurrency,  // requests at once, each with a lease
  kAuto,         // an adaptive number of requests at once, by Apache bRPC's algorithm
  kGradient2,    // the same by the algorithm of Netflix' concurrency-limits
};

// Which fields mean something depends on the algorithm.
struct LimitSettings {
  Algorithm algorithm = Algorithm::kFixedWindow;
  bool is_unlimited = false;         // counts nothing, admits all; nothing below is set then
  std::uint32_t requests = 0;        // in each `per`; at once for kConcurrency. 0 refuses all
  std::chrono::milliseconds per{0};  // kFixedWindow, kGcra: 1 ms .. 365 d
  Unit unit = Unit::kUnknown;        // of `per`, if it is one
  std::uint32_t burst = 0;    // kGcra: at most so many at once; unless given: `requests`; refilled
                              // within two years (gcra.h)
  std::uint32_t floor = 0;    // kAuto, kGradient2: never fewer than this at once, …
  std::uint32_t ceiling = 0;  // … and never more; >= floor >= 1
  std::chrono::milliseconds lease_ttl{0};  // those at once: a lease ends by itself after this;
                                           // 100 ms .. 1 d; 0: it does not

  friend bool operator==(const LimitSettings&, const LimitSettings&) = default;
};

// Is it a limit of requests at once, not of requests in a time?
constexpr bool is_concurrency(const LimitSettings& settings) {
  return !settings.is_unlimited && settings.algorithm >= Algorithm::kConcurrency;
}
constexpr bool is_adaptive(const LimitSettings& settings) {
  return settings.algorithm == Algorithm::kAuto || settings.algorithm == Algorithm::kGradient2;
}

// A limit, and by what its requests are counted.
struct LimitCore {
  std::string name;  // as metrics and people call it: the configured name, or else the path
  LimitSettings settings;
  Gcra gcra;                 // what the settings of such a rate mean; by prepare()
  FixedWindow window;        // the same
  bool is_enforced = true;   // no: counted and told, and refuses nothing (shadow_mode)
  bool has_penalty = false;  // refusals may have a client denied
  // share_threshold: by level, the wildcard in place of the values that match it.
  std::map<std::size_t, std::string> shared_values;
  std::size_t level = 0;       // of the rule's own entry; 0 at the top
  std::uint64_t identity = 0;  // of what makes it the same limit after a reload

  // Once, when the settings are known. So that no request has to divide.
  void prepare();
};

// What a request says of itself.
struct Entry {
  std::string_view key;
  std::string_view value;
};
using EntrySpan = std::span<const Entry>;

}  // namespace headgate::quota
