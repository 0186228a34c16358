// SPDX-License-Identifier: Apache-2.0
#include "daemon/reply/http.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

namespace headgate::reply {
namespace {

// The client's preface of HTTP/2 without TLS (RFC 9113 section 3.4), as far as it is looked at. The
// longest start of a head that makes a difference.
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n";

// RFC 9113: an empty SETTINGS frame, which must come first; then GOAWAY, no stream processed, error
// ENHANCE_YOUR_CALM, with a word for whoever debugs it.
std::string http2_goaway() {
  using namespace std::string_literals;
  const std::string debug = "too many connections";
  const auto length = static_cast<char>(8 + debug.size());
  return "\0\0\0\x04\0\0\0\0\0"s + "\0\0"s + length + "\x07\0\0\0\0\0"s + "\0\0\0\0\0\0\0\x0b"s +
         debug;
}

// IMF-fixdate (RFC 9110 section 5.6.7). Not strftime: the names must not follow the locale.
std::string http_date(std::time_t now) {
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                kDays.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                kMonths.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour,
                utc.tm_min, utc.tm_sec);
  return text.data();
}

// The body is true for every reason: the client's limits, everybody's, the deny list.
std::string http_429(std::chrono::seconds retry_after, bool with_body) {
  const auto wait = std::max<std::chrono::seconds::rep>(1, retry_after.count());
  const std::string seconds = std::to_string(wait);
  const std::string body =
      "429 Too Many Requests\nThis server takes no more connections from you for now. "
      "Please try again in " +
      seconds + (wait == 1 ? " second.\n" : " seconds.\n");
  return "HTTP/1.1 429 Too Many Requests\r\n"
         "Date: " +
         http_date(std::time(nullptr)) +
         "\r\n"
         "Retry-After: " +
         seconds +
         "\r\n"
         "Content-Type: text/plain; charset=utf-8\r\n"
         "Content-Length: " +
         std::to_string(body.size()) +
         "\r\n"
         "Cache-Control: no-store\r\n"
         "Connection: close\r\n"
         "\r\n" +
         (with_body ? body : "");
}

}  // namespace

HttpConversation::HttpConversation(std::function<std::chrono::seconds()> retry_after)
    : retry_after_(std::move(retry_after)) {}

Step HttpConversation::received(std::string_view bytes) {
  if (start_.empty()) {
    // RFC 9112 section 2.2: empty lines before a request are skipped.
    bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
    if (bytes.empty()) return {};
    if (bytes.front() == kTlsHandshake) {
      return {.send = std::string(kTlsAlert), .next = Step::Next::kFinish};
    }
  }
  start_ += bytes.substr(0, kHttp2Preface.size() - start_.size());
  return head_ends(bytes) ? answer() : Step{};
}

Step HttpConversation::patience_ended() {
  return answer();
}

Step HttpConversation::input_ended() {
  return start_.empty() ? Conversation::input_ended() : answer();
}

// At an empty line. A line may end without the CR, as RFC 9112 section 2.2 lets a server read it.
bool HttpConversation::head_ends(std::string_view bytes) {
  for (const char byte : bytes) {
    if (byte == '\n') {
      if (++line_ends_ == 2) return true;
    } else if (byte != '\r') {
      line_ends_ = 0;
    }
  }
  return false;
}

Step HttpConversation::answer() const {
  if (start_.starts_with(kHttp2Preface)) {
    return {.send = http2_goaway(), .next = Step::Next::kFinish};
  }
  const bool with_body = !start_.starts_with("HEAD ");
  return {.send = http_429(retry_after_(), with_body), .next = Step::Next::kFinish};
}

}  // namespace headgate::reply
