/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to the account at each step of a connection's life. */
#ifndef HEADGATE_BPF_TRACK_H
#define HEADGATE_BPF_TRACK_H

#include "account.h"
#include "connections.h"
#include "maps.h"
#include "policy.h"

/* The keys that a connection was counted under. */
static __always_inline struct hg_client_key counted_client(const struct hg_connection *connection)
{
	struct hg_client_key client = {
	    .rule = connection->rule,
	    .incarnation = connection->flags >> HG_CLIENT_INCARNATION_SHIFT & 3,
	    .level = HG_LEVEL_CLIENT,
	    .netns = connection->netns,
	    .address = connection->client,
	};

	return client;
}

static __always_inline struct hg_client_key counted_network(const struct hg_connection *connection)
{
	struct hg_client_key network = network_of(&connection->client, connection->rule,
						  connection->netns, connection->network_bits);

	network.incarnation = connection->flags >> HG_NETWORK_INCARNATION_SHIFT & 3;
	return network;
}

static __always_inline void uncount(const struct hg_connection *connection, struct hg_totals *total)
{
	if (__sync_fetch_and_add(&total->connections, -1) == 0)
		__sync_fetch_and_add(&total->connections, 1); /* it was spoilt */
	if (connection->flags & HG_CONNECTION_HAS_CLIENT) {
		struct hg_client_key client = counted_client(connection);

		remove_from_client(&client);
	}
	if (connection->network_bits != HG_NO_NETWORK) {
		struct hg_client_key network = counted_network(connection);

		remove_from_client(&network);
	}
}

/* Counts one more under the key. Returns what the key holds now in all, 0 if there was no room. */
static __always_inline __u32 count_key(struct hg_client_key *key, __u32 *incarnation)
{
	__u32 held = add_to_client(key);

	*incarnation = key->incarnation;
	key->incarnation = 0;
	if (held > 0) {
		const struct hg_table_state *table = find_table_state();

		if (*incarnation > 0 || (table && table->later_incarnations))
			held = key_connections(key);
	}
	return held;
}

/* What became of a connection that was to be counted. */
struct counted {
	bool is_tracked;       /* its entry will undo the count */
	bool is_complete;      /* counted at every level that the rule counts */
	enum hg_reason excess; /* the limit that it is beyond, HG_ADMITTED if none */
};

/*
 * Counts an established connection, once: who knows the socket already must not call this.
 * `is_new`: it has just been opened, so it will be closed if it is beyond a limit. `excess`: a
 * limit that it is known to be beyond already. `flags` go into its entry.
 */
static __always_inline struct counted count_connection(__u64 cookie, struct visitor *visitor,
						       bool is_new, enum hg_reason excess,
						       __u32 flags, __u32 opened)
{
	const struct hg_rule *rule = rule_of(visitor);
	struct counted counted = {.excess = excess};
	struct hg_connection connection = {
	    .cookie = cookie,
	    .client = visitor->client.address,
	    .rule = visitor->rule_id,
	    .netns = visitor->netns,
	    .network_bits = HG_NO_NETWORK,
	    .flags = flags,
	    .opened = opened,
	};
	struct hg_totals *total = totals_of(visitor);
	__u32 incarnation;

	if (!total || !rule) return counted;
	bool is_free = !is_new || visitor->exempt || rule->flags & HG_MONITOR || is_recounting();

	if (__sync_fetch_and_add(&total->connections, 1) >= rule->total)
		counted.excess = HG_TOTAL_CONNECTIONS;

	__u32 held = count_key(&visitor->client, &incarnation);

	counted.is_complete = held > 0;
	if (held > 0) {
		connection.flags |= HG_CONNECTION_HAS_CLIENT | incarnation
								   << HG_CLIENT_INCARNATION_SHIFT;
		if (held > visitor->limits.per_client) counted.excess = HG_CLIENT_CONNECTIONS;
	}
	if (rule->flags & HG_COUNT_NETWORKS) {
		held = count_key(&visitor->network, &incarnation);
		if (held > 0) {
			connection.network_bits = network_bits_of(rule, &visitor->network.address);
			connection.flags |= incarnation << HG_NETWORK_INCARNATION_SHIFT;
			if (held > visitor->limits.per_network && counted.excess == HG_ADMITTED)
				counted.excess = HG_NETWORK_CONNECTIONS;
		} else {
			counted.is_complete = false;
		}
	}
	if (!counted.is_complete && rule->flags & HG_REFUSE_ON_TABLE_FULL)
		counted.excess = HG_TABLE_FULL;
	if (is_free) counted.excess = HG_ADMITTED;
	if (counted.excess != HG_ADMITTED) connection.flags |= HG_CONNECTION_OVERSHOOT;

	if (!add_connection(&connection)) {
		uncount(&connection, total);
		counted.is_complete = false;
		if (rule->flags & HG_REFUSE_ON_TABLE_FULL && !is_free)
			counted.excess = HG_TABLE_FULL;
		return counted;
	}
	counted.is_tracked = true;
	return counted;
}

/* A connection that the daemon answers: counted only to bound how many there are. */
static __always_inline bool count_reply(__u64 cookie)
{
	struct hg_connection connection = {
	    .cookie = cookie,
	    .network_bits = HG_NO_NETWORK,
	    .flags = HG_CONNECTION_REPLY,
	};
	struct hg_table_state *table = find_table_state();

	if (!table) return false;
	__sync_fetch_and_add(&table->replies, 1); /* before its end can count down */
	if (add_connection(&connection)) return true;
	__sync_fetch_and_add(&table->replies, -1);
	return false;
}

/*
 * Undoes exactly what was counted for this socket, once, if anything was. Returns whether it was,
 * and what in `removed`.
 */
static __always_inline bool uncount_connection(__u64 cookie, struct hg_connection *removed)
{
	if (!remove_connection(cookie, removed)) return false;
	if (removed->flags & HG_CONNECTION_REPLY) {
		struct hg_table_state *table = find_table_state();

		if (table) __sync_fetch_and_add(&table->replies, -1);
		return true;
	}
	struct hg_totals *total = find_totals(removed->rule, removed->netns);

	if (total) uncount(removed, total);
	return true;
}

#endif /* HEADGATE_BPF_TRACK_H */
