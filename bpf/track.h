/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to the account at each step of a connection's life. */
#ifndef HEADGATE_BPF_TRACK_H
#define HEADGATE_BPF_TRACK_H

#include "account.h"
#include "half_open.h"
#include "maps.h"

static __always_inline void take_half_open(const struct hg_rule *rule, __u32 rule_id,
					   const struct hg_client_key *client)
{
	__u32 now = window_now(rule);
	struct hg_half_open *slot = bpf_map_lookup_elem(&half_open, client);
	struct hg_totals *total = bpf_map_lookup_elem(&totals, &rule_id);

	if (total) half_open_add(&total->half_open, now);
	if (!slot) {
		struct hg_windows first = {.number = now, .current = 1};
		struct hg_half_open value = {.windows = hg_pack_windows(first)};

		if (!bpf_map_update_elem(&half_open, client, &value, BPF_NOEXIST)) return;
		slot = bpf_map_lookup_elem(&half_open, client); /* another CPU was first */
	}
	if (slot) half_open_add(slot, now);
}

static __always_inline void give_back_half_open(const struct hg_rule *rule, __u32 rule_id,
						const struct hg_client_key *client)
{
	__u32 now = window_now(rule);
	struct hg_half_open *slot = bpf_map_lookup_elem(&half_open, client);
	struct hg_totals *total = bpf_map_lookup_elem(&totals, &rule_id);

	if (total) half_open_remove(&total->half_open, now);
	if (slot) half_open_remove(slot, now);
}

/*
 * Counts an established connection and writes into the mark what was counted. Returns the limit
 * that it exceeds, HG_ADMITTED if none. The caller holds the socket's lock, as all hooks do that
 * see a full socket, so that a mark is written by one CPU at a time.
 */
static __always_inline enum hg_reason count_connection(struct hg_mark *mark,
						       const struct hg_rule *rule, __u32 rule_id,
						       struct hg_client_key *client)
{
	enum hg_reason excess = HG_ADMITTED;
	struct hg_totals *total = bpf_map_lookup_elem(&totals, &rule_id);

	if (!total) return HG_ADMITTED;
	mark->counted = HG_COUNTED_TOTAL;
	if (__sync_fetch_and_add(&total->connections, 1) >= rule->total)
		excess = HG_TOTAL_CONNECTIONS;

	__u32 held = add_to_client(client, total);

	mark->client = *client;
	if (held > 0) {
		mark->counted |= HG_COUNTED_CLIENT;
		if (client->incarnation > 0) {
			client->incarnation = 0;
			held = client_connections(client);
		}
		if (held > rule->per_client) excess = HG_CLIENT_CONNECTIONS;
	} else if (rule->flags & HG_REFUSE_ON_TABLE_FULL) {
		excess = HG_TABLE_FULL;
	}
	return excess;
}

/* Undoes exactly what the mark says was counted, once. */
static __always_inline void uncount_connection(struct hg_mark *mark)
{
	__u32 rule_id = mark->client.rule;
	__u32 counted = mark->counted;
	struct hg_totals *total = bpf_map_lookup_elem(&totals, &rule_id);

	mark->counted = 0;
	if (!total || !(counted & HG_COUNTED_TOTAL)) return;
	__sync_fetch_and_add(&total->connections, -1);
	if (counted & HG_COUNTED_CLIENT) {
		struct hg_client_key client = mark->client;

		remove_from_client(&client, total);
	}
}

#endif /* HEADGATE_BPF_TRACK_H */
