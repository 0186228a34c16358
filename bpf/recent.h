/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of clients and networks that were seen lately: half-open connections, connections
 * opened, tokens. Counts live in two time windows.
 *
 * The kernel tells when a request is queued, not when it dies, so a half-open slot is never
 * released by its death: it is taken in the window of its SYN, given back when the handshake
 * completes, and forgotten when the window after that one has passed. An abandoned slot therefore
 * lives between one and two windows (hg_rule.handshake_timeout_ns), without a timer and without an
 * entry per handshake.
 */
#ifndef HEADGATE_BPF_RECENT_H
#define HEADGATE_BPF_RECENT_H

#include "bucket.h"
#include "maps.h"
#include "window.h"

#define RECENT_RETRIES 32 /* of a compare-and-swap; each failure means another CPU succeeded */

const volatile __u32 possible_cpus = 1;

/* The coarse clock is a few milliseconds late, and an order of magnitude cheaper. */
static __always_inline __u32 window_now(const struct hg_rule *rule)
{
	return hg_window_number(bpf_ktime_get_coarse_ns(), rule->handshake_timeout_ns ?: 1);
}

static __always_inline __u64 read_word(const __u64 *word)
{
	return *(volatile const __u64 *)word;
}

static __always_inline __u32 window_count(const __u64 *word, __u32 now)
{
	struct hg_windows windows = hg_unpack_windows(read_word(word), now);

	return windows.current + windows.previous;
}

CHECKED_ONCE int window_add(__u64 *word, __u32 now)
{
	if (!word) return 0;
	for (int i = 0; i < RECENT_RETRIES; i++) {
		__u64 old = read_word(word);
		struct hg_windows windows = hg_unpack_windows(old, now);

		if (windows.current < HG_WINDOW_COUNT_MAX) windows.current++;
		if (__sync_val_compare_and_swap(word, old, hg_pack_windows(windows)) == old)
			return 1;
	}
	return 0;
}

/*
 * Which of the two windows the slot was taken in is not known. The current one goes first: if that
 * is wrong, a slot of the previous window is kept in its place and expires sooner than it should.
 */
CHECKED_ONCE int window_remove(__u64 *word, __u32 now)
{
	if (!word) return 0;
	for (int i = 0; i < RECENT_RETRIES; i++) {
		__u64 old = read_word(word);
		struct hg_windows windows = hg_unpack_windows(old, now);

		if (windows.current > 0)
			windows.current--;
		else if (windows.previous > 0)
			windows.previous--;
		else
			return 0;
		if (__sync_val_compare_and_swap(word, old, hg_pack_windows(windows)) == old)
			return 1;
	}
	return 0;
}

static __always_inline bool has_token(const __u64 *bucket, __u64 now, const struct hg_rate *rate)
{
	__u64 bounded = hg_bucket_bounded(read_word(bucket), now, rate, possible_cpus);

	return hg_bucket_has_token(bounded, now, rate);
}

/*
 * For a connection that was admitted when there was a token. Another CPU may have taken it since:
 * then it is owed, and paid back before the next connection is admitted.
 */
CHECKED_ONCE int take_token(__u64 *bucket, __u64 now, const struct hg_rate *rate)
{
	if (!bucket || !rate) return 0;
	for (int i = 0; i < RECENT_RETRIES; i++) {
		__u64 old = read_word(bucket);
		__u64 bounded = hg_bucket_bounded(old, now, rate, possible_cpus);

		if (__sync_val_compare_and_swap(bucket, old, hg_bucket_take(bounded, now, rate)) ==
		    old)
			return 1;
	}
	return 0;
}

/* The entry of a client or network, made if there is none; null when there is no room. */
static __always_inline struct hg_recent *touch_recent(const struct hg_client_key *wanted)
{
	struct hg_client_key key = *wanted;
	struct hg_recent *entry = bpf_map_lookup_elem(&recent, &key);

	if (entry) return entry;

	struct hg_recent fresh = {};

	bpf_map_update_elem(&recent, &key, &fresh, BPF_NOEXIST); /* or another CPU was first */
	return bpf_map_lookup_elem(&recent, &key);
}

static __always_inline struct hg_recent *find_recent(const struct hg_client_key *wanted)
{
	struct hg_client_key key = *wanted;

	return bpf_map_lookup_elem(&recent, &key);
}

#endif /* HEADGATE_BPF_RECENT_H */
