// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bpf/abi.h"

// A counted connection that is open: a socket with its entry.
struct hg_live {
  __u64 cookie;
  __u64 netns_cookie;
  __u32 netns;   // its number
  __u32 opened;  // as in hg_connection
  __u32 interface;
  hg_address remote;
  hg_address local;
  hg_address client;  // the key it is counted under
  __u16 remote_port;
  __u16 local_port;
  __u16 rule;
  __u8 network_bits;
  __u8 flags;
};

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
  event.netns_cookie = live.netns_cookie;
  return event;
}

}  // namespace headgate::kernel
