/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the word in struct hg_half_open means. Shared by the programs that write it and the daemon
 * that reads it.
 */
#ifndef HEADGATE_BPF_WINDOW_H
#define HEADGATE_BPF_WINDOW_H

#include "abi.h"

struct hg_windows {
	__u32 number;
	__u32 current;
	__u32 previous;
};

/* The number of the window at `now_ns` (CLOCK_MONOTONIC); it wraps. `length_ns` is not 0. */
static inline __u32 hg_window_number(__u64 now_ns, __u64 length_ns)
{
	return (__u32)(now_ns / length_ns) & HG_WINDOW_NUMBER_MASK;
}

static inline __u64 hg_pack_windows(struct hg_windows windows)
{
	return (__u64)windows.number << (2 * HG_WINDOW_COUNT_BITS) |
	       (__u64)windows.current << HG_WINDOW_COUNT_BITS | windows.previous;
}

/* The counts as seen in window `now`: a window that has passed counts zero. */
static inline struct hg_windows hg_unpack_windows(__u64 packed, __u32 now)
{
	struct hg_windows windows = {
	    (__u32)(packed >> (2 * HG_WINDOW_COUNT_BITS)),
	    (__u32)(packed >> HG_WINDOW_COUNT_BITS) & HG_WINDOW_COUNT_MAX,
	    (__u32)packed & HG_WINDOW_COUNT_MAX,
	};
	__u32 age = (now - windows.number) & HG_WINDOW_NUMBER_MASK;

	/* Another CPU, a moment ahead, has already written the window that begins right now. */
	if (age == HG_WINDOW_NUMBER_MASK) return windows;
	if (age > 0) {
		windows.previous = age == 1 ? windows.current : 0;
		windows.current = 0;
		windows.number = now;
	}
	return windows;
}

#endif /* HEADGATE_BPF_WINDOW_H */
