// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/listen.h"

#include <algorithm>
#include <optional>

#include "daemon/config/error.h"
#include "daemon/config/flow_text.h"
#include "daemon/config/group.h"
#include "daemon/config/number.h"

namespace headgate::config {
namespace {

constexpr std::string_view kForms =
    R"("443", "443/udp", "8000-8010", "192.0.2.10:443" or "[2001:db8::1]:443")";
constexpr std::size_t kMaxBytes = 100;  // more than any entry needs

tl::unexpected<Error> wrong(std::string_view text, std::string_view what,
                            std::string_view right = kForms) {
  return fail(ErrorCode::kInvalidArgument, quote(text) + " " + std::string(what) + "; " +
                                               std::string(right) + " would be right");
}

struct Ports {
  std::uint16_t first;
  std::uint16_t last;
};

Result<std::uint16_t> parse_port(std::string_view text, std::string_view digits) {
  const std::optional<std::uint64_t> port = parse_whole_number(digits);
  if (!port || *port < 1 || *port > 65535) {
    return wrong(text, digits == text ? "is not a port" : "has the port " + quote(digits),
                 "1 to 65535");
  }
  return static_cast<std::uint16_t>(*port);
}

Result<Ports> parse_ports(std::string_view text, std::string_view ports) {
  const std::size_t dash = ports.find('-', 1);  // a '-' in front is a sign, not a range
  const Result<std::uint16_t> first = parse_port(text, ports.substr(0, dash));
  if (!first) return tl::unexpected(first.error());
  if (dash == std::string_view::npos) return Ports{*first, *first};
  const Result<std::uint16_t> last = parse_port(text, ports.substr(dash + 1));
  if (!last) return tl::unexpected(last.error());
  if (*first > *last) {
    return wrong(text, "is a reversed range",
                 quote(std::to_string(*last) + "-" + std::to_string(*first)));
  }
  return Ports{*first, *last};
}

Result<Prefix> parse_address(std::string_view text, std::string_view address, bool bracketed) {
  if (address.find('%') != std::string_view::npos) {
    return wrong(text, "has a zone, which is not supported", "the address without '%…'");
  }
  const std::size_t slash = address.find('/');
  const Result<IpAddress> bare = IpAddress::parse(address.substr(0, slash));
  if (!bare) {
    return wrong(text, "begins with " + quote(address.substr(0, slash)) + ", not an IP address");
  }
  if (bracketed && bare->family() == IpFamily::kIpv4) {
    return wrong(text, "has an IPv4 address in brackets", bare->to_string() + " without brackets");
  }
  const Result<Prefix> prefix = Prefix::parse(address);
  if (!prefix) return tl::unexpected(prefix.error());
  // "0.0.0.0" and "::" mean every address of their family, as they do for bind().
  const Prefix every = Prefix::of(*bare, 0);
  if (every.address != *bare || prefix->length == 0) return *prefix;
  if (slash == std::string_view::npos) return every;
  return wrong(text, "is a part of no network", quote(every.to_string()) + " for every address");
}

struct Split {
  std::string_view address;  // without brackets
  std::string_view ports;
  bool bracketed = false;
};

// Cuts "address:ports"; the address is empty if there is none.
Result<Split> split(std::string_view text) {
  if (text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return wrong(text, "has no ']'");
    const std::string_view rest = text.substr(close + 1);
    if (rest.empty() || rest.front() != ':') return wrong(text, "has no ':PORT' after ']'");
    return Split{text.substr(1, close - 1), rest.substr(1), true};
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos && Prefix::parse(text)) return wrong(text, "has no port");
  if (colon == std::string_view::npos) return Split{{}, text};
  if (text.find(':') != colon) {
    return wrong(text, "has an IPv6 address without brackets", R"("[2001:db8::1]:443")");
  }
  if (colon == 0) return wrong(text, "has no address before ':'");
  return Split{text.substr(0, colon), text.substr(colon + 1)};
}

struct Stripped {
  std::string_view text;  // without its protocol
  bool is_udp = false;
};

Result<Stripped> strip_protocol(std::string_view text) {
  const std::size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return Stripped{text};
  const std::string_view protocol = text.substr(slash + 1);
  if (protocol == "tcp") return Stripped{text.substr(0, slash)};
  if (protocol == "udp") return Stripped{text.substr(0, slash), true};
  // The slash belongs to a prefix.
  if (protocol.find(':') != std::string_view::npos || Prefix::parse(text)) return Stripped{text};
  return wrong(text, "ends with " + quote(text.substr(slash)), "'/tcp', '/udp' or nothing");
}

// Groups are written as maps. How would this text be, if it names one?
std::optional<std::string> as_group(std::string_view text) {
  for (const std::string_view key : {kUnitKey, kCgroupKey}) {
    const std::string begin = std::string(key) + ":";
    if (!text.starts_with(begin) || text == begin) continue;
    const std::string_view value = text.substr(begin.size());
    return "{ " + std::string(key) + ": " + scalar_text(value) + " }";
  }
  if (!has_unit_type(text)) return std::nullopt;
  const bool is_path = text.find('/') != std::string_view::npos;
  return "{ " + std::string(is_path ? kCgroupKey : kUnitKey) + ": " + scalar_text(text) + " }";
}

}  // namespace

Result<Listen> parse_listen(std::string_view text) {
  const bool readable =
      std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (text.empty() || text.size() > kMaxBytes || !readable) return wrong(text, "is not a port");
  if (const std::optional<std::string> group = as_group(text)) {
    return wrong(text, "is not a port", *group);
  }
  const Result<Stripped> entry = strip_protocol(text);
  if (!entry) return tl::unexpected(entry.error());
  if (entry->text.empty()) return wrong(text, "is not a port");
  const Result<Split> parts = split(entry->text);
  if (!parts) return tl::unexpected(parts.error());

  Listen listen;
  listen.is_udp = entry->is_udp;
  if (parts->bracketed || !parts->address.empty()) {
    const Result<Prefix> address = parse_address(text, parts->address, parts->bracketed);
    if (!address) return tl::unexpected(address.error());
    listen.address = *address;
  }
  const Result<Ports> ports = parse_ports(text, parts->ports);
  if (!ports) return tl::unexpected(ports.error());
  listen.first_port = ports->first;
  listen.last_port = ports->last;
  return listen;
}

std::string to_string(const Listen& listen) {
  if (!listen.unit.empty()) return std::string(kUnitKey) + ":" + listen.unit;
  if (!listen.cgroup.empty()) return std::string(kCgroupKey) + ":" + listen.cgroup;
  std::string ports = std::to_string(listen.first_port);
  if (listen.last_port != listen.first_port) ports += "-" + std::to_string(listen.last_port);
  if (listen.is_udp) ports += "/udp";
  if (!listen.address) return ports;
  const bool is_any = listen.address->length == 0;
  const std::string address =
      is_any ? listen.address->address.to_string() : listen.address->to_string();
  const bool ipv4 = listen.address->address.family() == IpFamily::kIpv4;
  return (ipv4 ? address : "[" + address + "]") + ":" + ports;
}

Result<std::string> parse_endpoint(std::string_view text) {
  constexpr std::string_view kEndpoints = R"("127.0.0.1:9469", "[::1]:9469" or off)";
  const std::size_t slash = text.find('/');
  const Result<Listen> listen = parse_listen(text);
  if (!listen || !listen->address || slash != std::string_view::npos ||
      listen->first_port != listen->last_port) {
    return wrong(text, "is not one address and port", kEndpoints);
  }
  return to_string(*listen);
}

}  // namespace headgate::config
