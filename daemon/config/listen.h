// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "daemon/config/config.h"

namespace headgate::config {

// Reads one `listen` entry that is text; leaves its position unset. Errors are kInvalidArgument and
// say what is wrong and what would be right, without a place.
//
//   443  8000-8010                      these ports on every address
//   192.0.2.10:443  10.0.0.0/8:443      on one IPv4 address, or all of a prefix
//   [2001:db8::1]:443  [2001:db8::/32]:443
//   0.0.0.0:443  [::]:443               on every IPv4, every IPv6 address
//
// "/tcp" may follow, or "/udp".
Result<Listen> parse_listen(std::string_view text);

// As parse_listen would read it back; of a group "unit:nginx.service" or
// "cgroup:system.slice/nginx.service", which it would not.
std::string to_string(const Listen& listen);

// Reads ADDRESS:PORT with one address and one port: "127.0.0.1:9469", "[::1]:9469".
// Gives it back in canonical form. Errors as above.
Result<std::string> parse_endpoint(std::string_view text);

}  // namespace headgate::config
