// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_map>

#include "daemon/config/error.h"
#include "daemon/config/readers.h"

namespace headgate::config {
namespace {

constexpr std::size_t kMaxNameBytes = 15;  // IFNAMSIZ without the terminator
constexpr std::size_t kMaxPatternBytes = 100;
constexpr std::string_view kPatternCharacters = "*?[";

// What the kernel takes in a name; and a pattern has no escapes.
bool has_good_characters(std::string_view name) {
  constexpr unsigned char kKernelsOtherSpace = 0xa0;
  return std::all_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f && byte != kKernelsOtherSpace && c != '/' && c != ':' &&
           c != '\\';
  });
}

// A ']' that is the first in a set is one of its characters.
bool closes_its_sets(std::string_view pattern) {
  for (std::size_t open = pattern.find('['); open != std::string_view::npos;) {
    std::size_t first = open + 1;
    if (first < pattern.size() && (pattern[first] == '!' || pattern[first] == '^')) ++first;
    const std::size_t close = pattern.find(']', first + 1);
    if (close == std::string_view::npos) return false;
    open = pattern.find('[', close);
  }
  return true;
}

Result<std::string> read_name(const Value& value) {
  constexpr std::string_view kExpected =
      R"(a name of 1 to 15 bytes such as eth0 or, in quotes, a pattern such as "eth*")";
  Result<std::string> name = value.text(kExpected);
  if (!name) return name;
  if (!has_good_characters(*name)) {
    return value.fail_expecting(R"(a name without space, '/', ':' and '\')");
  }
  const bool is_pattern = name->find_first_of(kPatternCharacters) != std::string::npos;
  if (is_pattern && name->size() > kMaxPatternBytes) {
    return value.fail_expecting("a pattern of at most " + std::to_string(kMaxPatternBytes) +
                                " bytes");
  }
  if (is_pattern && !closes_its_sets(*name)) {
    return value.fail_expecting(R"(']' after '[' as in "eth[0-3]")");
  }
  const bool is_directory = *name == "." || *name == "..";
  if (!is_pattern && (is_directory || name->size() > kMaxNameBytes)) {
    return value.fail_expecting(kExpected);
  }
  return name;
}

Result<XdpInterface> read_interface(const Value& item) {
  XdpInterface interface;
  interface.position = item.position();
  const auto name = [&](const Value& v) { return store(interface.name, read_name(v)); };
  const auto mode = [&](const Value& v) { return store(interface.mode, v.choice(kXdpModes)); };
  const Result<void> done =
      item.content().kind == NodeKind::kMap
          ? read_map(item, "an interface", {{"name", name, true}, {"mode", mode}})
          : name(item);
  if (!done) return tl::unexpected(done.error());
  return interface;
}

Result<std::vector<XdpInterface>> read_interfaces(const Value& list) {
  if (list.content().kind != NodeKind::kList) {
    return list.fail_expecting(R"(a list such as [eth0, { name: "wl*", mode: generic }])");
  }
  if (list.content().items.size() > kMaxXdpInterfaces) {
    return list.fail("'" + list.name() + "' has " + std::to_string(list.content().items.size()) +
                     " entries; at most " + std::to_string(kMaxXdpInterfaces) +
                     R"(, or a pattern such as "eth*" for several, would be right)");
  }
  std::vector<XdpInterface> interfaces;
  std::unordered_map<std::string, Position> first;
  const auto read = [&](const Value& item) -> Result<void> {
    Result<XdpInterface> interface = read_interface(item);
    if (!interface) return tl::unexpected(std::move(interface).error());
    const auto [place, is_new] = first.emplace(interface->name, item.position());
    if (!is_new) {
      return item.fail("duplicate interface " + quote(interface->name) + ", first at line " +
                       std::to_string(place->second.line) + "; each once would be right");
    }
    interfaces.push_back(*std::move(interface));
    return {};
  };
  const Result<void> done = read_list(list, read);
  if (!done) return tl::unexpected(done.error());
  return interfaces;
}

}  // namespace

Result<void> read_xdp(const Value& value, Xdp& into) {
  return read_map(
      value, value.name(),
      {{"interfaces", [&](const Value& v) { return store(into.interfaces, read_interfaces(v)); }},
       {"syn_cookies",
        [&](const Value& v) { return store(into.syn_cookies, v.choice(kSynCookies)); }},
       {"priority",
        [&](const Value& v) { return store(into.priority, v.integer(0, kMaxXdpPriority)); }}});
}

}  // namespace headgate::config
