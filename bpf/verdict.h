/* SPDX-License-Identifier: GPL-2.0-only */
/* Has every limit of the rule room for one connection more of this client? */
#ifndef HEADGATE_BPF_VERDICT_H
#define HEADGATE_BPF_VERDICT_H

#include "account.h"
#include "half_open.h"

/*
 * For how long a table is held to be full, if no removal says otherwise; then one connection finds
 * out anew.
 */
#define FULL_FOR_NS 1000000000ULL

static __always_inline bool is_recent(__u64 when)
{
	return when && bpf_ktime_get_ns() - when < FULL_FOR_NS;
}

/* Would one connection more, of a client that holds `held` of them, find no room in a table? */
static __always_inline bool is_table_full(__u32 held)
{
	const struct hg_table_state *table = find_table_state();

	if (!table) return false;
	return is_recent(table->connections_full_at) ||
	       (held == 0 && is_recent(table->clients_full_at));
}

static __always_inline enum hg_reason judge(const struct hg_rule *rule, __u32 rule_id,
					    struct hg_client_key *client)
{
	if (rule->per_client != HG_NO_LIMIT || rule->flags & HG_REFUSE_ON_TABLE_FULL) {
		__u32 held = client_connections(client);

		if (rule->flags & HG_REFUSE_ON_TABLE_FULL && is_table_full(held))
			return HG_TABLE_FULL;
		if (rule->count_half_open != HG_HALF_OPEN_NONE) {
			const struct hg_half_open *slot = bpf_map_lookup_elem(&half_open, client);

			if (slot) held += half_open_count(slot, window_now(rule));
		}
		if (held >= rule->per_client) return HG_CLIENT_CONNECTIONS;
	}
	if (rule->total != HG_NO_LIMIT) {
		const struct hg_totals *total = bpf_map_lookup_elem(&totals, &rule_id);
		__u32 held;

		if (!total) return HG_ADMITTED;
		held = *(volatile const __u32 *)&total->connections;
		if (rule->count_half_open == HG_HALF_OPEN_ALL)
			held += half_open_count(&total->half_open, window_now(rule));
		if (held >= rule->total) return HG_TOTAL_CONNECTIONS;
	}
	return HG_ADMITTED;
}

#endif /* HEADGATE_BPF_VERDICT_H */
