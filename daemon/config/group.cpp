// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/group.h"

#include <algorithm>
#include <array>

#include "daemon/config/error.h"
#include "daemon/config/path.h"

namespace headgate::config {
namespace {

constexpr std::array<std::string_view, 4> kUnitTypes = {".service", ".slice", ".scope", ".socket"};

tl::unexpected<Error> wrong(std::string_view text, std::string_view what, std::string_view right) {
  return fail(ErrorCode::kInvalidArgument, quote(text) + " " + std::string(what) + "; " +
                                               std::string(right) + " would be right");
}

tl::unexpected<Error> too_long(std::string_view text, std::size_t most) {
  return wrong(text, "has " + std::to_string(text.size()) + " bytes",
               "at most " + std::to_string(most));
}

// Those of systemd (unit_name_is_valid).
bool is_of_unit_name(char c) {
  constexpr std::string_view kOthers = ":-_.\\@";
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         kOthers.find(c) != std::string_view::npos;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool has_parent_name(std::string_view path) {
  const std::string framed = "/" + std::string(path) + "/";
  return framed.find("/../") != std::string::npos;
}

// What is usually meant by a path with too much of it: the rest without the usual mount points.
std::string below_mount(std::string_view path) {
  std::string plain = plain_path(path);
  if (!path.starts_with('/')) return plain;
  for (const std::string mount : {"sys/fs/cgroup/unified", "sys/fs/cgroup"}) {
    if (plain == mount) return "";
    if (plain.starts_with(mount + "/")) return plain.substr(mount.size() + 1);
  }
  return plain;
}

}  // namespace

bool has_unit_type(std::string_view text) {
  return std::any_of(kUnitTypes.begin(), kUnitTypes.end(), [text](std::string_view type) {
    return text.size() > type.size() && text.ends_with(type);
  });
}

Result<std::string> parse_unit(std::string_view text) {
  if (text.size() > kMaxUnitBytes) return too_long(text, kMaxUnitBytes);
  if (text.find('/') != std::string_view::npos) {
    return wrong(text, "is a path, not the name of a unit",
                 std::string(kCgroupKey) + ": " + quote(below_mount(text)));
  }
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_of_unit_name) ||
      text.front() == '@') {
    return wrong(text, "is not the name of a unit", kUnitForms);
  }
  if (!has_unit_type(text)) {
    const bool has_dot = text.find('.') != std::string_view::npos;
    return wrong(text, "does not end with .service, .slice, .scope or .socket",
                 has_dot ? std::string(kUnitForms) : quote(std::string(text) + ".service"));
  }
  const std::size_t at = text.find("@.");
  if (at != std::string_view::npos && at + 1 == text.rfind('.')) {
    return wrong(text, "is a template of units",
                 "one of its units such as " + quote(std::string(text.substr(0, at + 1)) + "1" +
                                                     std::string(text.substr(at + 1))));
  }
  if (text == "-.slice") return wrong(text, "holds every process", "ports, or a slice below it,");
  return std::string(text);
}

Result<std::string> parse_cgroup(std::string_view text) {
  if (text.size() > kMaxCgroupBytes) return too_long(text, kMaxCgroupBytes);
  if (text.empty() || std::any_of(text.begin(), text.end(), is_control)) {
    return wrong(text, "is not a cgroup", kCgroupForms);
  }
  if (has_parent_name(text)) return wrong(text, "has '..' in it", kCgroupForms);
  const std::string plain = below_mount(text);
  if (plain.empty()) return wrong(text, "holds every process", kCgroupForms);
  if (text.front() == '/') {
    return wrong(text, "begins with '/', but is read from the cgroup2 mount on", quote(plain));
  }
  if (plain != text) return wrong(text, "has an empty name or '.' in it", quote(plain));
  return plain;
}

}  // namespace headgate::config
