// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/headers.h"

#include <algorithm>

namespace headgate::doors {
namespace {

using std::chrono::nanoseconds;

constexpr std::int64_t kSecond = 1'000'000'000;

bool is_listed(const quota::Verdict& verdict) {
  return verdict.limit != nullptr && !verdict.limit->settings.is_unlimited;
}

bool is_fuller(const quota::Verdict* one, const quota::Verdict* other) {
  if (one->is_over != other->is_over) return one->is_over;
  return one->remaining < other->remaining;
}

// Those to tell: of the verdicts on limits of one name (by several of its keys) the fullest.
std::vector<const quota::Verdict*> fullest(const quota::Decision& decision) {
  std::vector<const quota::Verdict*> listed;
  listed.reserve(decision.verdicts.size());
  for (const auto& verdict : decision.verdicts) {
    if (is_listed(verdict)) listed.push_back(&verdict);
  }
  if (listed.size() < 2) return listed;
  std::stable_sort(listed.begin(), listed.end(), is_fuller);
  std::vector<const quota::Verdict*> kept;
  for (const auto* verdict : listed) {
    const auto is_same = [=](const auto* other) {
      return other->limit->name == verdict->limit->name;
    };
    if (std::any_of(kept.begin(), kept.end(), is_same)) continue;
    kept.push_back(verdict);
    if (kept.size() == kMaxListed) break;
  }
  return kept;
}

void append_policy(std::string& text, const quota::Verdict& verdict) {
  const quota::Limit& limit = *verdict.limit;
  text += quoted(limit.name);
  text += ";q=" + std::to_string(verdict.allowed);
  // A window that is no whole number of seconds cannot be told.
  const auto per = limit.settings.per;
  if (per.count() > 0 && per.count() % 1000 == 0) {
    text += ";w=" + std::to_string(per.count() / 1000);
  }
}

void append_state(std::string& text, const quota::Verdict& verdict) {
  text += quoted(verdict.limit->name);
  text += ";r=" + std::to_string(verdict.remaining);
  if (verdict.until_reset.count() > 0) {
    text += ";t=" + std::to_string(seconds_up(verdict.until_reset));
  }
}

nanoseconds with_extra(nanoseconds wait, double jitter) {
  const double most = std::min(static_cast<double>(wait.count()) / 10, double{kSecond});
  const auto extra = static_cast<std::int64_t>(most * std::clamp(jitter, 0.0, 1.0));
  return nanoseconds(std::min(wait.count(), nanoseconds::max().count() - kSecond) + extra);
}

}  // namespace

std::uint64_t seconds_up(nanoseconds time) {
  if (time.count() <= 0) return 0;
  return static_cast<std::uint64_t>((time.count() - 1) / kSecond + 1);
}

std::optional<nanoseconds> retry_after(const quota::Verdict& verdict, double jitter) {
  if (!verdict.is_over || verdict.retry_after == quota::Verdict::kNever) return std::nullopt;
  return with_extra(verdict.retry_after, jitter);
}

std::optional<nanoseconds> retry_after(const quota::Decision& decision, double jitter) {
  if (!decision.is_over) return std::nullopt;
  nanoseconds longest{0};
  for (const auto& verdict : decision.verdicts) {
    if (verdict.is_over) longest = std::max(longest, verdict.retry_after);
  }
  if (longest == quota::Verdict::kNever) return std::nullopt;
  return with_extra(longest, jitter);
}

std::vector<Header> headers_of(const quota::Decision& decision, std::optional<nanoseconds> wait) {
  std::vector<Header> headers;
  const auto listed = fullest(decision);
  if (!listed.empty()) {
    headers.reserve(3);
    std::string policy;
    std::string state;
    for (const auto* verdict : listed) {
      if (!policy.empty()) {
        policy += ", ";
        state += ", ";
      }
      append_policy(policy, *verdict);
      append_state(state, *verdict);
    }
    headers.push_back({"ratelimit-policy", std::move(policy)});
    headers.push_back({"ratelimit", std::move(state)});
  }
  if (wait) {
    const std::uint64_t seconds = std::max<std::uint64_t>(1, seconds_up(*wait));
    headers.push_back({"retry-after", std::to_string(seconds)});
  }
  return headers;
}

std::string quoted(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out = "\"";
  out.reserve(text.size() + 2);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e) {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace headgate::doors
