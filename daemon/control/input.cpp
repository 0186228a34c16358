// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/input.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "daemon/config/error.h"
#include "daemon/config/text.h"

namespace headgate::control {
namespace {

constexpr std::size_t kMaxNameBytes = 63;
constexpr std::size_t kMaxKeyBytes = 200;
constexpr std::size_t kMaxValueBytes = 4096;
// Far beyond any real expiry, and still a system_clock::time_point: as config/timestamp.h, the end
// of 2200.
constexpr std::int64_t kMaxUntilMs = 7'289'654'399'999;
constexpr std::size_t kMaxPathBytes = 4095;
constexpr std::size_t kShownFaults = 5;

tl::unexpected<Error> wrong(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

// Collects what is wrong with the entries of a list.
class Faults {
 public:
  void add(std::size_t index, const std::string& message) {
    if (++count_ > kShownFaults) return;
    text_ += (count_ == 1 ? "" : "; ") + std::string("entry ") + std::to_string(index + 1) + ": " +
             message;
  }
  bool any() const { return count_ > 0; }
  tl::unexpected<Error> error() const {
    const std::size_t more = count_ > kShownFaults ? count_ - kShownFaults : 0;
    return wrong(text_ + (more > 0 ? "; and " + std::to_string(more) + " more" : ""));
  }

 private:
  std::size_t count_ = 0;
  std::string text_;
};

Result<void> check_count(int size, const char* what) {
  const auto count = static_cast<std::size_t>(size);
  if (count == 0) return wrong(std::string("no ") + what + "; at least one would be right");
  if (count <= kMaxEntries) return {};
  return wrong(std::to_string(count) + " " + what + " in one call; at most " +
               std::to_string(kMaxEntries) + " would be right");
}

// One line of UTF-8 without control characters.
bool is_printable(const std::string& text) {
  return config::check_text(text, "").has_value() &&
         text.find_first_of("\t\r\n") == std::string::npos;
}

Result<std::string> read_reason(const std::string& text) {
  if (text.size() > config::kMaxReasonBytes) {
    return wrong("the reason has " + std::to_string(text.size()) + " bytes; at most " +
                 std::to_string(config::kMaxReasonBytes) + " would be right");
  }
  if (!is_printable(text)) {
    return wrong("the reason " + config::quote(text) +
                 " is not one line of printable text; UTF-8 without control characters would be "
                 "right");
  }
  return text;
}

using Until = std::optional<std::chrono::system_clock::time_point>;

Result<Until> read_until(std::int64_t unix_ms, std::chrono::system_clock::time_point now) {
  if (unix_ms == 0) return Until();
  if (unix_ms < 0 || unix_ms > kMaxUntilMs) {
    return wrong("until " + std::to_string(unix_ms) +
                 " ms is no time that can be; 0 (for good) to " + std::to_string(kMaxUntilMs) +
                 " would be right");
  }
  const std::chrono::system_clock::time_point until{std::chrono::milliseconds(unix_ms)};
  if (until > now) return Until(until);
  const auto ago = std::chrono::duration_cast<std::chrono::seconds>(now - until).count();
  return wrong("its expiry is in the past (" + std::to_string(ago) +
               " s ago); a time to come would be right");
}

Result<manage::DenyEntry> read_deny_entry(const v1::DenyEntry& message,
                                          std::chrono::system_clock::time_point now) {
  auto cidr = read_cidr(message.cidr());
  if (!cidr) return tl::unexpected(cidr.error());
  auto reason = read_reason(message.reason());
  if (!reason) return tl::unexpected(reason.error());
  const auto until = read_until(message.until_unix_ms(), now);
  if (!until) return tl::unexpected(until.error());
  return manage::DenyEntry{*cidr, *std::move(reason), *until, message.is_hard()};
}

}  // namespace

Result<std::vector<manage::DenyEntry>> read_deny_entries(
    const google::protobuf::RepeatedPtrField<v1::DenyEntry>& entries,
    std::chrono::system_clock::time_point now) {
  if (auto counted = check_count(entries.size(), "entries"); !counted) {
    return tl::unexpected(counted.error());
  }
  Faults faults;
  std::vector<manage::DenyEntry> result;
  result.reserve(static_cast<std::size_t>(entries.size()));
  std::map<Prefix, std::size_t> places;
  for (int i = 0; i < entries.size(); ++i) {
    auto entry = read_deny_entry(entries[i], now);
    if (!entry) {
      faults.add(static_cast<std::size_t>(i), entry.error().to_string());
    } else if (const auto [place, is_new] = places.emplace(entry->cidr, result.size()); is_new) {
      result.push_back(*std::move(entry));
    } else {
      result[place->second] = *std::move(entry);
    }
  }
  if (faults.any()) return faults.error();
  return result;
}

Result<std::vector<Prefix>> read_cidrs(
    const google::protobuf::RepeatedPtrField<std::string>& cidrs) {
  if (auto counted = check_count(cidrs.size(), "entries"); !counted) {
    return tl::unexpected(counted.error());
  }
  Faults faults;
  std::vector<Prefix> result;
  result.reserve(static_cast<std::size_t>(cidrs.size()));
  for (int i = 0; i < cidrs.size(); ++i) {
    const auto cidr = read_cidr(cidrs[i]);
    if (cidr) {
      result.push_back(*cidr);
    } else {
      faults.add(static_cast<std::size_t>(i), cidr.error().to_string());
    }
  }
  if (faults.any()) return faults.error();
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

Result<Prefix> read_cidr(const std::string& text) {
  auto prefix = Prefix::parse(text);
  // Prefix::parse repeats the text as it is; here it may be of any size and any bytes.
  if (!prefix && (config::quote(text) != "'" + text + "'" || text.empty())) {
    return wrong(config::quote(text) + " is no address and no CIDR; 192.0.2.0/24 would be right");
  }
  return prefix;
}

Result<IpAddress> read_address(const std::string& text) {
  auto address = IpAddress::parse(text);
  if (!address) {
    return wrong(config::quote(text) + " is not an IPv4 or IPv6 address; 192.0.2.7 would be right");
  }
  return address;
}

Result<std::string> read_rule(const std::string& text, bool may_be_empty) {
  if (text.empty() && may_be_empty) return text;
  const bool is_name = !text.empty() && text.size() <= kMaxNameBytes &&
                       std::all_of(text.begin(), text.end(), [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
                       });
  if (is_name) return text;
  return wrong(config::quote(text) +
               " is no name of a rule; 1 to 63 of A-Z a-z 0-9 _ . - would be right");
}

Result<std::string> read_netns(const std::string& text) {
  if (text.size() <= kMaxPathBytes && is_printable(text)) return text;
  return wrong(config::quote(text) +
               " is no network namespace; self or /run/netns/web would be right");
}

Result<std::string> read_key(const std::string& text) {
  if (!text.empty() && text.size() <= kMaxKeyBytes && is_printable(text)) return text;
  return wrong(config::quote(text) + " is no key of a rule; connections.per_client would be right");
}

Result<config::Setting> read_setting(const v1::SetRequest& request) {
  auto rule = read_rule(request.rule(), false);
  if (!rule) return tl::unexpected(rule.error());
  auto key = read_key(request.key());
  if (!key) return tl::unexpected(key.error());
  const std::string& value = request.value();
  if (value.empty() || value.size() > kMaxValueBytes || !is_printable(value)) {
    return wrong(*key + ": the value " + config::quote(value) + " is not 1 to " +
                 std::to_string(kMaxValueBytes) + " bytes of printable UTF-8");
  }
  config::Setting setting;
  setting.rule = *std::move(rule);
  setting.key = *std::move(key);
  setting.value = value;
  return setting;
}

Result<manage::Target> read_target(const v1::ExplainRequest& request) {
  manage::Target target;
  if (request.rule().empty() == (request.port() == 0)) {
    return wrong("either a rule or a port would be right");
  }
  auto rule = read_rule(request.rule(), true);
  if (!rule) return tl::unexpected(rule.error());
  target.rule = *std::move(rule);
  auto netns = read_netns(request.netns());
  if (!netns) return tl::unexpected(netns.error());
  target.netns = *std::move(netns);
  if (request.port() > std::numeric_limits<std::uint16_t>::max()) {
    return wrong("port " + std::to_string(request.port()) + "; 1 to 65535 would be right");
  }
  if (request.port() != 0) target.port = static_cast<std::uint16_t>(request.port());
  if (request.server().empty()) return target;
  if (!target.port) return wrong("a server address goes with a port, not with a rule");
  const auto server = read_address(request.server());
  if (!server) return tl::unexpected(server.error());
  target.server = *server;
  return target;
}

Result<observe::ClientQuery> read_query(const v1::ClientsRequest& request) {
  observe::ClientQuery query;
  auto rule = read_rule(request.rule(), true);
  if (!rule) return tl::unexpected(rule.error());
  query.rule = *std::move(rule);
  auto netns = read_netns(request.netns());
  if (!netns) return tl::unexpected(netns.error());
  query.netns = *std::move(netns);
  query.at_least = request.at_least();
  switch (request.order()) {
    case v1::ClientsRequest::CONNECTIONS:
      query.order = observe::ClientOrder::kConnections;
      return query;
    case v1::ClientsRequest::REFUSED:
      query.order = observe::ClientOrder::kRefused;
      return query;
    case v1::ClientsRequest::RATE:
      query.order = observe::ClientOrder::kRate;
      return query;
    default:  // a newer caller's
      return wrong("unknown order; CONNECTIONS, REFUSED or RATE would be right");
  }
}

}  // namespace headgate::control
