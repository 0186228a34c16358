// SPDX-License-Identifier: GPL-2.0-only
// The programs of `scripts/bench packets`.
#include "flood.h"

// The helpers need what is above.
// clang-format off
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
// clang-format on

char LICENSE[] SEC("license") = "GPL";

/* What every XDP program costs, before it does anything. */
SEC("xdp") int bare(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

/* The least that any dropper can do: it has looked at the frame, which another processor wrote. */
SEC("xdp") int drop(struct xdp_md* ctx) {
  const volatile struct flood_frame* frame = (void*)(long)ctx->data;

  if ((const void*)(frame + 1) > (void*)(long)ctx->data_end) return XDP_PASS;
  return frame->ip.version == 4 ? XDP_DROP : XDP_PASS;
}

/* One processor sends, and gets the answers. */
struct flood_settings settings;
__u32 sources = 1;
__u32 sent;
__u32 answers;

/* At the sender's end: lets answers cost as little as can be. */
SEC("xdp") int swallow(struct xdp_md* ctx) {
  (void)ctx;
  answers++;
  return XDP_DROP;
}

static __always_inline __u16 fold(__u32 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return bpf_htons((__u16)~sum);
}

/*
 * A SYN from the next of the source addresses, to be run by BPF_PROG_TEST_RUN with live frames. The
 * frame's memory may hold what the receiver has made of an earlier one: all of it is written.
 */
SEC("xdp") int flood(struct xdp_md* ctx) {
  struct flood_frame* frame = (void*)(long)ctx->data;

  if ((void*)(frame + 1) > (void*)(long)ctx->data_end) return XDP_ABORTED;

  __u32 number = sent++;
  __u32 source = settings.first_source + number % sources;
  __u32 address_sum = (source >> 16) + (source & 0xffff);
  __u16 port = 1024 + number % 64000;

  __builtin_memcpy(frame, &settings.frame, sizeof(*frame));
  frame->ip.saddr = bpf_htonl(source);
  frame->ip.check = fold(settings.ip_sum + address_sum);
  frame->tcp.source = bpf_htons(port);
  frame->tcp.check = fold(settings.tcp_sum + address_sum + port);
  return bpf_redirect(settings.device, 0);
}
