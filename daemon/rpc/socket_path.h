// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.h"

namespace headgate::rpc {

// Makes `path` free to serve on, with its directory. Takes over a socket file that nobody listens
// on; one that somebody serves is an error (kUnavailable), and so is a file of another kind
// (kInvalidArgument). `key`: what in the configuration says the path.
Result<void> prepare_socket_path(const std::string& path, const std::string& key);

}  // namespace headgate::rpc
