/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is done about sockets that the daemon has listed: counting them anew, and telling how they
 * are counted.
 *
 * Nobody holds the socket's lock here, so the socket may die meanwhile. Its end then finds no
 * entry, and the one that is added afterwards would stay for good: the daemon looks, after it has
 * added entries, which of those sockets are gone, and has them forgotten. Entries themselves are
 * added and removed exactly once (connections.h). The kernel's own iterator over TCP sockets would
 * hold the lock, but breaks request sockets on kernels before 6.1.183, 6.6.152, 6.12.104, 6.18.45
 * and 7.1.9 (CVE-2026-74714).
 */
#ifndef HEADGATE_BPF_SOCKETS_H
#define HEADGATE_BPF_SOCKETS_H

#include "connection.h"
#include "connections.h"
#include "maps.h"
#include "policy.h"
#include "report.h"
#include "track.h"

static __always_inline struct hg_socket *find_socket(__u32 index)
{
	return bpf_map_lookup_elem(&sockets, &index);
}

static __always_inline struct connection connection_of_socket(const struct hg_socket *socket)
{
	struct connection connection = {
	    .remote = socket->remote,
	    .local = socket->local,
	    .remote_port = socket->remote_port,
	    .local_port = socket->local_port,
	    .interface = socket->interface,
	    .netns_cookie = socket->netns_cookie,
	    .netns.number = socket->netns,
	};

	return connection;
}

/* How the network of the client is counted, if at all. */
static __always_inline __u32 wanted_network_bits(const struct visitor *visitor)
{
	const struct hg_rule *rule = rule_of(visitor);

	if (!rule || !(rule->flags & HG_COUNT_NETWORKS)) return HG_NO_NETWORK;
	return network_bits_of(rule, &visitor->client.address);
}

/* Is the connection counted exactly as the policy in force would count it? */
static __always_inline bool is_in_place(const struct hg_connection *entry,
					const struct visitor *visitor)
{
	const struct hg_address *counted = &entry->client, *wanted = &visitor->client.address;

	return entry->rule == visitor->rule_id && entry->netns == visitor->netns &&
	       counted->word[0] == wanted->word[0] && counted->word[1] == wanted->word[1] &&
	       counted->word[2] == wanted->word[2] && counted->word[3] == wanted->word[3] &&
	       entry->network_bits == wanted_network_bits(visitor);
}

static __always_inline bool count_open(__u64 cookie, struct visitor *visitor, __u32 flags,
				       __u32 opened)
{
	struct counted counted =
	    count_connection(cookie, visitor, false, HG_ADMITTED, flags, opened);

	if (!counted.is_complete) COUNT(visitor->rule_id, untracked);
	return counted.is_tracked;
}

/* Counts a connection that nobody has counted: it is older than the hooks, or than its rule. */
static __always_inline __u32 adopt(__u64 cookie, struct visitor *visitor)
{
	__u32 opened = bpf_ktime_get_ns() >> HG_OPENED_SHIFT;

	if (!count_open(cookie, visitor, HG_CONNECTION_ADOPTED, opened)) return HG_SOCKET_LEFT;
	COUNT(visitor->rule_id, adopted);
	return HG_SOCKET_ADOPTED;
}

/* Counts a connection under what the policy in force says, in place of where it was counted. */
static __always_inline __u32 rekey(__u64 cookie, struct visitor *visitor, bool has_rule)
{
	struct hg_connection removed;

	if (!uncount_connection(cookie, &removed)) return HG_SOCKET_LEFT; /* it has just closed */
	if (has_rule)
		count_open(cookie, visitor,
			   removed.flags & (HG_CONNECTION_ADOPTED | HG_CONNECTION_OVERSHOOT),
			   removed.opened);
	return HG_SOCKET_MOVED;
}

CHECKED_ONCE int reconcile_socket(__u32 index)
{
	struct hg_socket *socket = find_socket(index);
	struct visitor visitor = {};
	struct hg_connection entry;

	if (!socket) return 0;

	struct connection connection = connection_of_socket(socket);
	__u64 cookie = socket->cookie;
	bool has_rule = identify(&connection, &visitor);

	socket->outcome = HG_SOCKET_LEFT;
	if (!find_connection(cookie, &entry)) {
		if (has_rule && socket->is_ours) socket->outcome = adopt(cookie, &visitor);
	} else if (!(entry.flags & HG_CONNECTION_REPLY) &&
		   (!has_rule || !is_in_place(&entry, &visitor))) {
		socket->outcome = rekey(cookie, &visitor, has_rule);
	}
	return 0;
}

CHECKED_ONCE int look_up_socket(__u32 index)
{
	struct hg_socket *socket = find_socket(index);
	struct hg_connection entry = {}, wanted = {};
	struct visitor visitor = {};

	if (!socket) return 0;

	struct connection connection = connection_of_socket(socket);

	if (!find_connection(socket->cookie, &entry)) entry.cookie = 0;
	socket->counted = entry;
	if (identify(&connection, &visitor)) {
		wanted.client = visitor.client.address;
		wanted.rule = visitor.rule_id;
		wanted.netns = visitor.netns;
		wanted.network_bits = wanted_network_bits(&visitor);
	}
	socket->wanted = wanted;
	return 0;
}

CHECKED_ONCE int forget_socket(__u32 index)
{
	struct hg_socket *socket = find_socket(index);
	struct hg_connection removed;

	if (socket) uncount_connection(socket->cookie, &removed);
	return 0;
}

/* Adds to the connections of a client or network. */
static __always_inline void correct_client(struct hg_client_key *key, __s32 by)
{
	__u32 tag = tag_of(key);

	TRY(ACCOUNT_RETRIES)
	{
		struct hg_client *entry = bpf_map_lookup_elem(&clients, key);

		if (!entry) {
			struct hg_client none = {.state = client_state(tag, 0)};

			if (by <= 0 || bpf_map_update_elem(&clients, key, &none, BPF_NOEXIST))
				return;
			continue;
		}
		__u64 old = read_state(entry);
		__u32 connections = (__u32)old;

		/* Of another key, whose memory this was; or, if it stays so, spoilt. */
		if (old >> 32 != tag && _turn < ACCOUNT_RETRIES / 2) continue;
		if (connections == HG_DEAD) return;

		__u32 next = by < 0 && connections < (__u32)-by ? 0 : connections + by;

		if (__sync_val_compare_and_swap(&entry->state, old, client_state(tag, next)) != old)
			continue;
		if (connections == 0 && next > 0) add_to_clients(key, 1);
		if (connections > 0 && next == 0) add_to_clients(key, -1);
		if (next == 0) park(key);
		return;
	}
}

/* Sets right a counter that has drifted, without losing what others count meanwhile. */
static __always_inline void correct_counter(void)
{
	__u32 zero = 0;
	const struct hg_correction *by = bpf_map_lookup_elem(&correction, &zero);

	if (!by) return;

	struct hg_client_key key = by->key;

	if (key.level != HG_LEVEL_TOTAL) {
		correct_client(&key, by->connections);
		return;
	}
	struct hg_totals *total = find_totals(key.rule, key.netns);

	if (!total) return;
	__s32 connections = by->connections;
	__u32 now = *(volatile __u32 *)&total->connections;

	if (connections < 0 && (__u32)-connections > now) connections = -now;
	__sync_fetch_and_add(&total->connections, connections);
	__sync_fetch_and_add(&total->clients, by->clients);
	__sync_fetch_and_add(&total->networks, by->networks);
}

/* Calls FUNCTION for each socket of the batch. */
#define FOR_EACH_SOCKET(FUNCTION)                                                                  \
	do {                                                                                       \
		__u32 _zero = 0;                                                                   \
		const __u32 *_count = bpf_map_lookup_elem(&socket_count, &_zero);                  \
		for (__u32 _i = 0; _count && _i < HG_SOCKETS && _i < *_count; _i++)                \
			FUNCTION(_i);                                                              \
	} while (0)

#endif /* HEADGATE_BPF_SOCKETS_H */
