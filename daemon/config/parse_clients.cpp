// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/error.h"
#include "daemon/config/readers.h"
#include "daemon/config/text.h"
#include "daemon/config/timestamp.h"

namespace headgate::config {
namespace {

Result<void> read_reason(const Value& value, std::string& into) {
  const std::string& text = value.content().text;
  const bool printable = text.find_first_of("\t\r\n") == std::string::npos && check_text(text, "");
  if (value.content().kind != NodeKind::kScalar || text.size() > kMaxReasonBytes || !printable) {
    return value.fail_expecting("at most " + std::to_string(kMaxReasonBytes) +
                                " bytes of text in one line");
  }
  into = text;
  return {};
}

Result<void> read_until(const Value& value, std::optional<std::chrono::sys_seconds>& into) {
  if (value.content().kind == NodeKind::kScalar) {
    into = parse_timestamp(value.content().text);
    if (into) return {};
  }
  return value.fail_expecting(
      "a time from 1970 to 2200 such as 2030-01-01T00:00:00Z or 2030-01-01T02:00:00+02:00");
}

Result<void> read_deny(const Value& value, DistinctPrefixes& distinct, Deny& into) {
  into.position = value.position();
  const auto read_cidr = [&](const Value& v) { return store(into.cidr, distinct.read(v)); };
  if (value.content().kind == NodeKind::kScalar) return read_cidr(value);
  if (value.content().kind != NodeKind::kMap) {
    return value.fail_expecting("a prefix such as 198.51.100.0/24 or { cidr: 198.51.100.0/24 }");
  }
  return read_map(value, "a deny entry",
                  {{"cidr", read_cidr, true},
                   {"reason", [&](const Value& v) { return read_reason(v, into.reason); }},
                   {"until", [&](const Value& v) { return read_until(v, into.until); }}});
}

Result<void> read_exempt(const Value& value, std::vector<Exempt>& into) {
  if (value.content().kind != NodeKind::kList) {
    return value.fail_expecting(R"(a list such as [127.0.0.0/8, "::1"])");
  }
  into.reserve(value.content().items.size());
  DistinctPrefixes distinct;
  return read_list(value, [&](const Value& item) -> Result<void> {
    const Result<Prefix> prefix = distinct.read(item);
    if (!prefix) return tl::unexpected(prefix.error());
    into.push_back(Exempt{*prefix, item.position()});
    return {};
  });
}

Result<void> read_deny_list(const Value& value, std::vector<Deny>& into) {
  if (value.content().kind != NodeKind::kList) {
    return value.fail_expecting("a list such as [198.51.100.0/24, { cidr: 203.0.113.7 }]");
  }
  into.reserve(value.content().items.size());
  DistinctPrefixes distinct;
  return read_list(
      value, [&](const Value& item) { return read_deny(item, distinct, into.emplace_back()); });
}

}  // namespace

Result<Prefix> DistinctPrefixes::read(const Value& value) {
  Result<Prefix> prefix = value.prefix();
  if (!prefix) return prefix;
  const auto [first, is_new] = first_.emplace(*prefix, value.position());
  if (is_new) return prefix;
  return value.fail("duplicate prefix " + quote(prefix->to_string()) + ", first at line " +
                    std::to_string(first->second.line) + "; each prefix once would be right");
}

Result<void> read_clients(const Value& value, Clients& into) {
  return read_map(value, value.name(),
                  {{"exempt", [&](const Value& v) { return read_exempt(v, into.exempt); }},
                   {"deny", [&](const Value& v) { return read_deny_list(v, into.deny); }}});
}

}  // namespace headgate::config
