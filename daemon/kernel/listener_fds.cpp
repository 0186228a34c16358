// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/listener_fds.h"

#include "daemon/kernel/map_io.h"

namespace headgate::kernel {

Result<void> set_listeners(const bpf_map* map, std::uint32_t index, const ListenerFds& listeners) {
  for (const int fd : {listeners.ipv4, listeners.ipv6}) {
    if (fd >= 0) {
      auto written = write_entry(map, index, static_cast<std::uint64_t>(fd));
      if (!written) return written;
    }
    ++index;
  }
  return {};
}

}  // namespace headgate::kernel
