// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace headgate::config {

// Groups of processes (cgroups) as `listen` names them. Errors are kInvalidArgument and say what is
// wrong and what would be right, without a place.

inline constexpr std::string_view kUnitKey = "unit";
inline constexpr std::string_view kCgroupKey = "cgroup";
inline constexpr std::size_t kMaxUnitBytes = 255;
inline constexpr std::size_t kMaxCgroupBytes = 1000;
inline constexpr std::string_view kUnitForms = "a name such as 'nginx.service'";
inline constexpr std::string_view kCgroupForms =
    "a path below the cgroup2 mount such as 'system.slice/nginx.service'";

// Does it end as the name of a unit that has a cgroup of its own: ".service", ".slice", ".scope",
// ".socket"?
bool has_unit_type(std::string_view text);

// The name of such a unit: "nginx.service", "php-fpm@8.2.service". Not "nginx", not a template
// ("nginx@.service"), not a path.
Result<std::string> parse_unit(std::string_view text);

// A directory below the cgroup2 mount, without '/' at its ends: "system.slice/nginx.service".
Result<std::string> parse_cgroup(std::string_view text);

}  // namespace headgate::config
