// SPDX-License-Identifier: GPL-2.0-only
// What every XDP program costs, before it does anything.
#include <linux/bpf.h>

#define IN_SECTION(name) __attribute__((section(name), used))

char LICENSE[] IN_SECTION("license") = "GPL";

IN_SECTION("xdp") int bare(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}
