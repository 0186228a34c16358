/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Half-open connections, counted in two time windows.
 *
 * The kernel tells when a request is queued, not when it dies, so a slot is never released by its
 * death: it is taken in the window of its SYN, given back when the handshake completes, and
 * forgotten when the window after that one has passed. An abandoned slot therefore lives between
 * one and two windows (hg_rule.handshake_timeout_ns), without a timer and without an entry per
 * handshake.
 */
#ifndef HEADGATE_BPF_HALF_OPEN_H
#define HEADGATE_BPF_HALF_OPEN_H

#include "maps.h"
#include "window.h"

#define HALF_OPEN_RETRIES 8 /* of a compare-and-swap; each failure means another CPU succeeded */

/* The coarse clock is a few milliseconds late, and an order of magnitude cheaper. */
static __always_inline __u32 window_now(const struct hg_rule *rule)
{
	return hg_window_number(bpf_ktime_get_coarse_ns(), rule->handshake_timeout_ns ?: 1);
}

static __always_inline __u32 half_open_count(const struct hg_half_open *slot, __u32 now)
{
	struct hg_windows windows = hg_unpack_windows(*(volatile const __u64 *)&slot->windows, now);

	return windows.current + windows.previous;
}

static __always_inline void half_open_add(struct hg_half_open *slot, __u32 now)
{
	for (int i = 0; i < HALF_OPEN_RETRIES; i++) {
		__u64 old = *(volatile __u64 *)&slot->windows;
		struct hg_windows windows = hg_unpack_windows(old, now);

		if (windows.current < HG_WINDOW_COUNT_MAX) windows.current++;
		if (__sync_val_compare_and_swap(&slot->windows, old, hg_pack_windows(windows)) ==
		    old)
			return;
	}
}

/*
 * Which of the two windows the slot was taken in is not known. The current one goes first: if that
 * is wrong, a slot of the previous window is kept in its place and expires sooner than it should.
 */
static __always_inline void half_open_remove(struct hg_half_open *slot, __u32 now)
{
	for (int i = 0; i < HALF_OPEN_RETRIES; i++) {
		__u64 old = *(volatile __u64 *)&slot->windows;
		struct hg_windows windows = hg_unpack_windows(old, now);

		if (windows.current > 0)
			windows.current--;
		else if (windows.previous > 0)
			windows.previous--;
		else
			return;
		if (__sync_val_compare_and_swap(&slot->windows, old, hg_pack_windows(windows)) ==
		    old)
			return;
	}
}

#endif /* HEADGATE_BPF_HALF_OPEN_H */
