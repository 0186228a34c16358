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

/* The most specific entry that has not expired; null if there is none. */
static __always_inline const struct hg_denied *find_denied(const struct hg_address *remote)
{
	const struct hg_control *now = find_control();

	if (!now || !now->denied) return NULL;

	struct hg_prefix_key key = prefix_key(remote, HG_PREFIX_DENIED, 0);

	for (int i = 0; i < MAX_EXPIRED_IN_A_ROW; i++) {
		const struct hg_denied *entry = bpf_map_lookup_elem(&denied, &key);

		if (!entry || entry->until_ns > bpf_ktime_get_boot_ns()) return entry;
		/* It has expired; a wider one may not have. */
		if (entry->prefix_bits <= HG_PREFIX_FIXED_BITS) return NULL;
		key.prefix_bits = entry->prefix_bits - 1;
	}
	return NULL;
}

static __always_inline bool is_denied(const struct hg_address *remote)
{
	return find_denied(remote) != NULL;
}

static __always_inline bool is_on_penalty(const struct hg_rule *rule,
					  const struct hg_client_key *client)
{
	if (!rule->penalty_after) return false;

	const struct hg_penalty *penalty = bpf_map_lookup_elem(&penalties, client);

	return penalty && penalty->until_ns > bpf_ktime_get_ns();
}

#endif /* HEADGATE_BPF_DENIED_H */
