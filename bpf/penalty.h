/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client that is refused too often is denied for a while, and longer each time.
 *
 * Refusals are counted from the first one on; what is left of the count when
 * hg_rule.penalty_within_ns has passed is forgotten. The word hg_recent.refusals holds the time of
 * the first one in the upper 40 bits (in units of 2^REFUSALS_TIME_SHIFT ns), the count below.
 */
#ifndef HEADGATE_BPF_PENALTY_H
#define HEADGATE_BPF_PENALTY_H

#include "policy.h"
#include "recent.h"
#include "report.h"

#define REFUSALS_TIME_SHIFT 20
#define REFUSALS_COUNT_BITS 24
#define REFUSALS_COUNT_MASK ((1ULL << REFUSALS_COUNT_BITS) - 1)

/* Counts one refusal. Returns true to the one caller that completes `penalty_after` of them. */
static __always_inline bool completes_offence(__u64 *refusals, const struct hg_rule *rule,
					      __u64 now)
{
	for (int i = 0; i < RECENT_RETRIES; i++) {
		__u64 old = read_word(refusals);
		__u64 first = old >> REFUSALS_COUNT_BITS << REFUSALS_TIME_SHIFT;
		__u64 count = old & REFUSALS_COUNT_MASK;

		if (count == 0 || now - first >= rule->penalty_within_ns) {
			first = now;
			count = 0;
		}
		count++;

		bool is_complete = count >= rule->penalty_after;
		__u64 new =
		    is_complete ? 0 : first >> REFUSALS_TIME_SHIFT << REFUSALS_COUNT_BITS | count;

		if (__sync_val_compare_and_swap(refusals, old, new) == old) return is_complete;
	}
	return false;
}

/* Returns the length of the penalty that begins, in seconds. */
static __always_inline __u32 impose_penalty(const struct visitor *visitor,
					    const struct hg_rule *rule, __u64 now)
{
	struct hg_client_key client = visitor->client;
	const struct hg_penalty *last = bpf_map_lookup_elem(&penalties, &client);
	/* Another CPU has just imposed it. */
	if (last && last->until_ns > now) return 0;

	struct hg_penalty penalty = {.length_ns = rule->penalty_first_ns, .times = 1};

	/* The last one is remembered for as long as the longest one takes. */
	if (last && now < last->until_ns + rule->penalty_longest_ns) {
		penalty.times = last->times + 1;
		penalty.length_ns = last->length_ns * rule->penalty_growth;
		/* Another configuration may have left a length that overflows. */
		if (penalty.length_ns / (rule->penalty_growth ?: 1) != last->length_ns)
			penalty.length_ns = rule->penalty_longest_ns;
		if (penalty.length_ns < rule->penalty_first_ns)
			penalty.length_ns = rule->penalty_first_ns;
	}
	if (penalty.length_ns > rule->penalty_longest_ns)
		penalty.length_ns = rule->penalty_longest_ns;
	penalty.until_ns = now + penalty.length_ns;
	bpf_map_update_elem(&penalties, &client, &penalty, BPF_ANY);
	return penalty.length_ns / NS_PER_SECOND;
}

/*
 * For every refusal by a limit; being denied already is no new offence. Returns the seconds that
 * the client is denied for from now on, or 0.
 */
CHECKED_ONCE __u32 note_refusal(const struct visitor *visitor, int reason)
{
	if (!visitor || reason == HG_DENIED || reason == HG_TABLE_FULL) return 0;

	struct hg_recent *entry = touch_recent(&visitor->client);
	const struct hg_rule *rule = rule_of(visitor);

	if (!entry || !rule) return 0;
	__sync_fetch_and_add(&entry->refused, 1);
	if (!rule->penalty_after) return 0;

	__u64 now = bpf_ktime_get_ns();

	if (!completes_offence(&entry->refusals, rule, now)) return 0;
	return impose_penalty(visitor, rule, now);
}

#endif /* HEADGATE_BPF_PENALTY_H */
