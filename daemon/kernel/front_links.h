// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "daemon/kernel/interfaces.h"
#include "daemon/kernel/limiter.h"

namespace headgate::kernel {

// Which frames that come in by `front` are for this host, and which of its devices has them: of
// `front` itself, or of the bridge or bond that it is a port of, and of the VLAN devices on these.
// `all`: the interfaces of the namespace. `hides_tags`: see may_hide_tags(). Pure.
std::vector<FrontLink> find_links(const Interface& front, const std::vector<Interface>& all,
                                  bool hides_tags);

}  // namespace headgate::kernel
