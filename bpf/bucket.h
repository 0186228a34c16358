/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Token buckets, each in one word: the generic cell rate algorithm (ITU-T I.371). The word is the
 * theoretical arrival time: when the bucket will be full again. Shared by the programs that write
 * it and the daemon that reads it.
 */
#ifndef HEADGATE_BPF_BUCKET_H
#define HEADGATE_BPF_BUCKET_H

#include "abi.h"

/*
 * The word as `rate` can have left it: the CPUs that all found the last token owe at most `debt` of
 * them. A word beyond that was left by a slower rate or a larger burst, and must not keep a client
 * out for as long as those would have: one token is there.
 */
static inline __u64 hg_bucket_bounded(__u64 bucket, __u64 now_ns, const struct hg_rate *rate,
				      __u32 debt)
{
	__u64 last_token = now_ns + rate->tolerance_ns;

	return bucket > last_token + debt * rate->interval_ns ? last_token : bucket;
}

/* Is there a token? */
static inline int hg_bucket_has_token(__u64 bucket, __u64 now_ns, const struct hg_rate *rate)
{
	return bucket <= now_ns + rate->tolerance_ns;
}

/* The word after one token was taken, also if there was none: then it is owed. */
static inline __u64 hg_bucket_take(__u64 bucket, __u64 now_ns, const struct hg_rate *rate)
{
	return (bucket > now_ns ? bucket : now_ns) + rate->interval_ns;
}

#endif /* HEADGATE_BPF_BUCKET_H */
