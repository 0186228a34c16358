// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.h"
#include "daemon/config/document.h"

namespace headgate::config {

// The tree with each merge key, "<<: *base" or "<<: [*base, *other]", replaced by the entries of
// those maps that the map has not itself (https://yaml.org/type/merge.html); of two that have one,
// the first wins. `file` only names it in messages. Errors are kInvalidArgument: what is merged is
// no map.
Result<Node> expand_merge_keys(const Node& node, const std::string& file);

}  // namespace headgate::config
