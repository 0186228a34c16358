// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace headgate::config {

// Reads `path`, a regular file of at most kMaxFileBytes (parse.h). kNotFound, kPermissionDenied,
// and kInvalidArgument for what is no regular file or too large: "path: …". Never blocks on a FIFO
// or a device.
Result<std::string> read_file(const std::string& path);

// Replaces `path` by a file of mode 0644 with this content, or leaves what is there as it is. On
// disk when it returns. A temporary file ".NAME.XXXXXX" stands beside it meanwhile.
Result<void> replace_file(const std::string& path, std::string_view content);

}  // namespace headgate::config
