/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to the account at each step of a connection's life. */
#ifndef HEADGATE_BPF_TRACK_H
#define HEADGATE_BPF_TRACK_H

#include "account.h"
#include "connections.h"
#include "half_open.h"
#include "maps.h"

/* Kept only where a limit needs it: all CPUs would write to it for every handshake. */
static __always_inline struct hg_totals *find_half_open_total(const struct hg_rule *rule,
							      __u32 rule_id)
{
	if (rule->count_half_open != HG_HALF_OPEN_ALL) return NULL;
	return bpf_map_lookup_elem(&totals, &rule_id);
}

static __always_inline void take_half_open(const struct hg_rule *rule, __u32 rule_id,
					   const struct hg_client_key *client)
{
	__u32 now = window_now(rule);
	struct hg_half_open *slot = bpf_map_lookup_elem(&half_open, client);
	struct hg_totals *total = find_half_open_total(rule, rule_id);

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
	struct hg_totals *total = find_half_open_total(rule, rule_id);

	if (total) half_open_remove(&total->half_open, now);
	if (slot) half_open_remove(slot, now);
}

/* What became of a connection that was to be counted. */
struct counted {
	bool is_tracked;       /* its entry will undo the count */
	bool has_client;       /* counted for its client, too */
	enum hg_reason excess; /* the limit that it is beyond, HG_ADMITTED if none */
};

static __always_inline void uncount(const struct hg_connection *connection, struct hg_totals *total)
{
	__sync_fetch_and_add(&total->connections, -1);
	if (connection->flags & HG_CONNECTION_HAS_CLIENT) {
		struct hg_client_key client = connection->client;

		remove_from_client(&client, total);
	}
}

/*
 * Counts an established connection, once: who knows the socket already must not call this. The
 * caller holds the socket's lock, as all hooks do that see a full socket. `is_new`: it has just
 * been opened, so it will be closed if it is beyond a limit.
 */
static __always_inline struct counted count_connection(__u64 cookie, const struct hg_rule *rule,
						       __u32 rule_id, struct hg_client_key *client,
						       bool is_new)
{
	struct counted counted = {};
	struct hg_connection connection = {.cookie = cookie};
	struct hg_totals *total = bpf_map_lookup_elem(&totals, &rule_id);

	if (!total) return counted;
	if (__sync_fetch_and_add(&total->connections, 1) >= rule->total)
		counted.excess = HG_TOTAL_CONNECTIONS;

	__u32 held = add_to_client(client, total);

	connection.client = *client;
	if (held > 0) {
		counted.has_client = true;
		connection.flags = HG_CONNECTION_HAS_CLIENT;
		const struct hg_table_state *table = find_table_state();

		if (client->incarnation > 0 || (table && table->later_incarnations)) {
			client->incarnation = 0;
			held = client_connections(client);
		}
		if (held > rule->per_client) counted.excess = HG_CLIENT_CONNECTIONS;
	} else if (rule->flags & HG_REFUSE_ON_TABLE_FULL) {
		counted.excess = HG_TABLE_FULL;
	}
	if (!is_new) connection.flags |= HG_CONNECTION_ADOPTED;
	if (is_new && counted.excess != HG_ADMITTED) connection.flags |= HG_CONNECTION_OVERSHOOT;

	if (!add_connection(&connection)) {
		uncount(&connection, total);
		counted.has_client = false;
		if (rule->flags & HG_REFUSE_ON_TABLE_FULL) counted.excess = HG_TABLE_FULL;
		return counted;
	}
	counted.is_tracked = true;
	return counted;
}

/* Undoes exactly what was counted for this socket, once, if anything was. */
static __always_inline void uncount_connection(__u64 cookie)
{
	struct hg_connection connection;

	if (!remove_connection(cookie, &connection)) return;

	__u32 rule_id = connection.client.rule;
	struct hg_totals *total = bpf_map_lookup_elem(&totals, &rule_id);

	if (total) uncount(&connection, total);
}

#endif /* HEADGATE_BPF_TRACK_H */
