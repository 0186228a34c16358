/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is not let in at all: the deny list, and clients on a penalty. Both end by the clock alone.
 */
#ifndef HEADGATE_BPF_DENIED_H
#define HEADGATE_BPF_DENIED_H

#include "policy.h"
#include "report.h"

/* Nested entries of the deny list that have all expired, and that the daemon has not removed yet.
 */
#define MAX_EXPIRED_IN_A_ROW 32

struct denial {
	__u64 until_ns; /* CLOCK_BOOTTIME, or HG_FOR_GOOD */
	__u32 bits;     /* prefix_bits of its key; 0: there is none */
	__u32 flags;    /* HG_DENIED_... */
};

/* Has `until_ns` come? It is in the clock that is `ahead_ns` of CLOCK_BOOTTIME. */
static __always_inline bool has_ended(__u64 until_ns, __s64 ahead_ns)
{
	/* Reading the clock costs as much as all the rest. */
	return until_ns != HG_FOR_GOOD && until_ns <= bpf_ktime_get_boot_ns() + ahead_ns;
}

static __always_inline struct denial denial_of(const struct hg_denied *entry)
{
	struct denial denial = {entry->until_ns, entry->prefix_bits, entry->flags};

	return denial;
}

/* The most specific entry of operators that has not expired. */
static __always_inline struct denial find_operators_denial(const struct hg_address *remote,
							   const struct hg_control *control)
{
	struct denial denial = {};

	if (!control->denied) return denial;

	struct hg_prefix_key key = prefix_key(remote, HG_PREFIX_DENIED, 0);
	const struct hg_denied *host = bpf_map_lookup_elem(&denied_hosts, &key);

	if (host && !has_ended(host->until_ns, 0)) return denial_of(host);
	for (int i = 0; i < MAX_EXPIRED_IN_A_ROW; i++) {
		const struct hg_denied *entry = bpf_map_lookup_elem(&denied, &key);

		if (!entry) return denial;
		if (!has_ended(entry->until_ns, 0)) return denial_of(entry);
		/* It has expired; a wider one may not have. */
		if (entry->prefix_bits <= HG_PREFIX_FIXED_BITS) return denial;
		key.prefix_bits = entry->prefix_bits - 1;
	}
	return denial;
}

/* The most specific entry of the policy that has not expired. */
static __always_inline struct denial find_configured_denial(__u32 slot,
							    const struct hg_address *remote,
							    const struct hg_control *control)
{
	struct denial denial = {};
	void *trie = bpf_map_lookup_elem(&prefixes, &slot);
	struct hg_prefix_key key = prefix_key(remote, HG_PREFIX_DENIED, 0);

	if (!trie) return denial;
	for (int i = 0; i < MAX_EXPIRED_IN_A_ROW; i++) {
		const struct hg_prefix *entry = bpf_map_lookup_elem(trie, &key);

		if (!entry) return denial;
		if (!has_ended(entry->until_ns, control->wall_offset_ns)) {
			denial.until_ns = entry->until_ns == HG_FOR_GOOD
					      ? HG_FOR_GOOD
					      : entry->until_ns - control->wall_offset_ns;
			denial.bits = entry->bits;
			return denial;
		}
		if (entry->bits <= HG_PREFIX_FIXED_BITS) return denial;
		key.prefix_bits = entry->bits - 1;
	}
	return denial;
}

/* Returns who denies: 0 nobody, 1 an operator, 2 the policy. */
CHECKED_ONCE int find_denial(const struct visitor *visitor, const struct hg_address *remote,
			     struct denial *denial)
{
	const struct hg_control *control = find_control();

	if (!visitor || !remote || !denial || !control) return 0;

	struct hg_address address = *remote;

	*denial = find_operators_denial(&address, control);
	if (denial->bits) return 1;

	const struct hg_rule *rule = rule_of(visitor);

	if (!rule || !(rule->flags & HG_HAS_DENIED)) return 0;
	*denial = find_configured_denial(visitor->rule_index / HG_MAX_RULES, &address, control);
	return denial->bits ? 2 : 0;
}

/* Nothing to look for is the usual case, and must cost nothing. */
static __always_inline bool is_denied(struct visitor *visitor, const struct hg_rule *rule,
				      const struct hg_address *remote)
{
	const struct hg_control *control = find_control();
	struct denial denial = {};

	if (!control || (!control->denied && !(rule->flags & HG_HAS_DENIED))) return false;
	if (!find_denial(visitor, remote, &denial)) return false;
	visitor->denied_until_ns = denial.until_ns;
	return true;
}

static __always_inline bool is_on_penalty(const struct hg_rule *rule,
					  const struct hg_client_key *client)
{
	if (!rule->penalty_after) return false;

	struct hg_client_key key = *client;
	const struct hg_penalty *penalty = bpf_map_lookup_elem(&penalties, &key);

	return penalty && penalty->until_ns > bpf_ktime_get_ns();
}

#endif /* HEADGATE_BPF_DENIED_H */
