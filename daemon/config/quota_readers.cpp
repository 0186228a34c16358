// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/quota_readers.h"

#include <algorithm>
#include <filesystem>

#include "daemon/config/error.h"

namespace headgate::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct Unit {
  QuotaUnit unit;
  milliseconds period;
};
constexpr Unit kPeriods[] = {
    {QuotaUnit::kSecond, seconds(1)},    {QuotaUnit::kMinute, minutes(1)},
    {QuotaUnit::kHour, hours(1)},        {QuotaUnit::kDay, hours(24)},
    {QuotaUnit::kWeek, hours(24 * 7)},   {QuotaUnit::kMonth, hours(24 * 30)},
    {QuotaUnit::kYear, hours(24 * 365)},
};

bool is_same_word(std::string_view text, std::string_view word) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [&](char a, char b) { return lower(a) == b; });
}

}  // namespace

Result<QuotaUnit> read_quota_unit(const Value& value) {
  if (value.content().kind == NodeKind::kScalar) {
    for (const auto& [word, unit] : kQuotaUnits) {
      if (is_same_word(value.content().text, word)) return unit;
    }
  }
  return value.choice(kQuotaUnits);  // which says what would be right
}

milliseconds period_of(QuotaUnit unit) {
  const auto* found = std::find_if(std::begin(kPeriods), std::end(kPeriods),
                                   [&](const Unit& one) { return one.unit == unit; });
  return found != std::end(kPeriods) ? found->period : milliseconds(0);
}

QuotaUnit unit_of(milliseconds period) {
  const auto* found = std::find_if(std::begin(kPeriods), std::end(kPeriods),
                                   [&](const Unit& one) { return one.period == period; });
  return found != std::end(kPeriods) ? found->unit : QuotaUnit::kUnknown;
}

Result<void> check_quota_rule(const QuotaRule& rule, const Value& map) {
  if (rule.share_threshold && !rule.has_wildcard()) {
    return map.fail(
        "'share_threshold' counts all values that match a wildcard as one, and the "
        "'value' beside it has no '*'; a value such as '/api/*' would be right");
  }
  if (rule.penalty && !rule.limit) {
    return map.fail(
        "'penalty' needs a limit whose refusals it counts; 'rate_limit' or "
        "'concurrency' beside it would be right");
  }
  for (const std::string& replaced : rule.replaces) {
    if (replaced != rule.name) continue;
    return map.fail("'replaces' has the limit's own name, " + quote(replaced) +
                    "; the name of another limit would be right");
  }
  return {};
}

Result<void> DistinctNames::add(const Value& place, std::string_view what,
                                const std::string& name) {
  const auto [first, is_new] = first_.emplace(name, place.position());
  if (is_new) return {};
  return place.fail("duplicate " + std::string(what) + " " + quote(name) + ", first at line " +
                    std::to_string(first->second.line) + "; each once would be right");
}

std::optional<std::string> memory_socket_of(const Quotas& quotas) {
  if (quotas.memory_socket == "off") return std::nullopt;
  if (!quotas.memory_socket.empty()) return quotas.memory_socket;
  return std::filesystem::path(quotas.socket).replace_filename("quota-memory.sock").string();
}

}  // namespace headgate::config
