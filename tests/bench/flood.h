// SPDX-License-Identifier: GPL-2.0-only
// What the sender of the flood and its kernel program share.
#pragma once

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/types.h>

struct flood_frame {
  struct ethhdr ethernet;
  struct iphdr ip;
  struct tcphdr tcp;
  __u8 padding[6];  // to the 60 bytes of the shortest frame
} __attribute__((packed));

struct flood_settings {
  struct flood_frame frame;  // without source, port and checksums
  __u32 first_source;
  __u32 ip_sum;  // of `frame`, as it is
  __u32 tcp_sum;
  __u32 device;
};
