// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include "daemon/config/config.h"

namespace headgate::config {

// What each word in a configuration means, for whoever reads or writes one.
template <typename T>
struct Word {
  std::string_view text;
  T meaning;
};

inline constexpr Word<Mode> kModes[] = {{"enforce", Mode::kEnforce}, {"monitor", Mode::kMonitor}};

inline constexpr Word<CountHalfOpen> kCountHalfOpen[] = {{"client", CountHalfOpen::kClient},
                                                         {"all", CountHalfOpen::kAll},
                                                         {"none", CountHalfOpen::kNone}};

inline constexpr Word<OnLimit> kOnLimit[] = {
    {"reset", OnLimit::kReset}, {"drop", OnLimit::kDrop}, {"reply", OnLimit::kReply}};

inline constexpr Word<OnTableFull> kOnTableFull[] = {{"admit", OnTableFull::kAdmit},
                                                     {"refuse", OnTableFull::kRefuse}};

inline constexpr Word<OnStop> kOnStop[] = {{"keep", OnStop::kKeep}, {"detach", OnStop::kDetach}};

// ReplyKind::kRaw has no word: it is written with its text, { raw: "…" }.
inline constexpr Word<ReplyKind> kReplyKinds[] = {{"http-429", ReplyKind::kHttp429},
                                                  {"redis", ReplyKind::kRedis},
                                                  {"mysql", ReplyKind::kMysql},
                                                  {"postgresql", ReplyKind::kPostgresql},
                                                  {"smtp-421", ReplyKind::kSmtp421}};

inline constexpr Word<XdpMode> kXdpModes[] = {
    {"auto", XdpMode::kAuto}, {"native", XdpMode::kNative}, {"generic", XdpMode::kGeneric}};

inline constexpr Word<bool> kSynCookies[] = {{"auto", true}, {"off", false}};

inline constexpr Word<QuotaUnit> kQuotaUnits[] = {
    {"second", QuotaUnit::kSecond}, {"minute", QuotaUnit::kMinute}, {"hour", QuotaUnit::kHour},
    {"day", QuotaUnit::kDay},       {"week", QuotaUnit::kWeek},     {"month", QuotaUnit::kMonth},
    {"year", QuotaUnit::kYear}};

inline constexpr Word<QuotaAlgorithm> kRateAlgorithms[] = {
    {"gcra", QuotaAlgorithm::kGcra}, {"fixed-window", QuotaAlgorithm::kFixedWindow}};

inline constexpr Word<QuotaAlgorithm> kConcurrencyAlgorithms[] = {
    {"fixed", QuotaAlgorithm::kConcurrency},
    {"auto", QuotaAlgorithm::kAuto},
    {"gradient2", QuotaAlgorithm::kGradient2}};

inline constexpr Word<bool> kSwitch[] = {{"on", true}, {"off", false}};
inline constexpr Word<bool> kTruth[] = {{"true", true}, {"false", false}};

inline constexpr std::string_view kUnlimited = "unlimited";
inline constexpr std::string_view kOff = "off";
inline constexpr std::string_view kSelf = "self";
inline constexpr std::string_view kAll = "all";
inline constexpr std::string_view kDefaultClient = "<default>";

// The word for `meaning`; "" if there is none.
template <typename T, std::size_t N>
constexpr std::string_view word_for(const Word<T> (&words)[N], T meaning) {
  for (const Word<T>& word : words) {
    if (word.meaning == meaning) return word.text;
  }
  return "";
}

constexpr std::string_view word_for(QuotaAlgorithm algorithm) {
  const std::string_view word = word_for(kRateAlgorithms, algorithm);
  return word.empty() ? word_for(kConcurrencyAlgorithms, algorithm) : word;
}

}  // namespace headgate::config
