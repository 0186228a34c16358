// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/quota/engine.h"

// What an answer tells in HTTP headers: draft-ietf-httpapi-ratelimit-headers (structured fields,
// RFC 9651) and Retry-After (RFC 9110). Pure.
namespace headgate::doors {

struct Header {
  std::string_view name;  // in lower case, as HTTP/2 has it
  std::string value;
};

// Until the whole request can be admitted: the longest wait of those that are over. None if nothing
// is, or if one of them never frees for a request of this size.
//
// `jitter`, 0..1, says how much of the extra is added that keeps clients from returning together:
// a tenth of the wait, a second at most. Never less than the engine's value.
std::optional<std::chrono::nanoseconds> retry_after(const quota::Decision& decision, double jitter);
std::optional<std::chrono::nanoseconds> retry_after(const quota::Verdict& verdict, double jitter);

// Whole seconds, rounded up.
std::uint64_t seconds_up(std::chrono::nanoseconds time);

// `ratelimit-policy` and `ratelimit` for the limits that hold, each once, the fullest first and no
// more than kMaxListed; and `retry-after`, at least 1, for a request that is over. Nothing where
// nothing limits.
std::vector<Header> headers_of(const quota::Decision& decision,
                               std::optional<std::chrono::nanoseconds> retry_after);
inline constexpr std::size_t kMaxListed = 16;

// A string of structured fields. What they cannot hold (control characters, bytes beyond ASCII) is
// percent-encoded.
std::string quoted(std::string_view text);

}  // namespace headgate::doors
