// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bpf/abi.h"

namespace headgate::kernel {

// The order to close this connection, as SocketKiller takes it.
inline hg_event order_to_close(const hg_live& live) {
  hg_event event{};
  event.socket_cookie = live.cookie;
  event.type = HG_EVENT_OVERSHOOT;
  event.reason = HG_ADMITTED;  // not known here
  event.rule = live.rule;
  event.remote_port = live.remote_port;
  event.local_port = live.local_port;
  event.interface = live.interface;
  event.remote = live.remote;
  event.local = live.local;
  return event;
}

}  // namespace headgate::kernel
