/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of counted connections, by socket cookie.
 *
 * The kernel numbers cookies in sequence, so the low bits of a cookie are a slot number that is
 * nearly always free, next to the slots used just before, and reached without a hash, a lock or an
 * allocation. A connection whose slot is taken (by one that is older by a whole round of the slots)
 * goes into a hash beside it. docs/adr/0003-connection-table.md has the figures.
 *
 * All functions: the caller holds the lock of the socket that the cookie belongs to.
 */
#ifndef HEADGATE_BPF_CONNECTIONS_H
#define HEADGATE_BPF_CONNECTIONS_H

#include "abi.h"
#include "maps.h"

const volatile __u32 connection_slot_mask = 0; /* slots of `connections` less one */

static __always_inline struct hg_table_state *find_table_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&table_state, &zero);
}

/* Remembers that a table had no room just now: see is_table_full(). */
static __always_inline void note_full(__u64 *when)
{
	*when = bpf_ktime_get_ns();
}

static __always_inline struct hg_connection *slot_of(__u64 cookie)
{
	__u32 index = cookie & connection_slot_mask;

	return bpf_map_lookup_elem(&connections, &index);
}

/* The entry of this socket, or null. */
static __always_inline const struct hg_connection *find_connection(__u64 cookie)
{
	const struct hg_connection *slot = slot_of(cookie);
	const struct hg_table_state *table = find_table_state();

	if (slot && slot->cookie == cookie) return slot;
	if (!table || table->more_connections == 0) return NULL;
	return bpf_map_lookup_elem(&more_connections, &cookie);
}

/* Returns whether there was room. A socket that has an entry must not be added again. */
static __always_inline bool add_connection(const struct hg_connection *connection)
{
	struct hg_connection *slot = slot_of(connection->cookie);
	struct hg_table_state *table = find_table_state();

	if (!slot || !table) return false;
	/* Before the entry is there: its removal counts down. */
	if (connection->flags & HG_CONNECTION_ADOPTED) __sync_fetch_and_add(&table->adopted, 1);
	if (slot->cookie == 0 &&
	    __sync_val_compare_and_swap(&slot->cookie, 0, connection->cookie) == 0) {
		slot->client = connection->client;
		slot->rule = connection->rule;
		slot->network_bits = connection->network_bits;
		slot->flags = connection->flags;
		slot->opened = connection->opened;
		return true;
	}
	if (!bpf_map_update_elem(&more_connections, &connection->cookie, connection, BPF_NOEXIST)) {
		__sync_fetch_and_add(&table->more_connections, 1);
		return true;
	}
	note_full(&table->connections_full_at);
	if (connection->flags & HG_CONNECTION_ADOPTED) __sync_fetch_and_add(&table->adopted, -1);
	return false;
}

/*
 * Removes the entry of this socket and copies it to `removed`. Returns true to one caller only,
 * false to any that comes later and to those whose socket never had an entry.
 */
static __always_inline bool remove_connection(__u64 cookie, struct hg_connection *removed)
{
	struct hg_connection *slot = slot_of(cookie);
	struct hg_table_state *table = find_table_state();

	if (!slot || !table) return false;
	if (slot->cookie == cookie) {
		*removed = *slot;
		if (__sync_val_compare_and_swap(&slot->cookie, cookie, 0) != cookie) return false;
	} else {
		if (table->more_connections == 0) return false;
		const struct hg_connection *entry = bpf_map_lookup_elem(&more_connections, &cookie);

		if (!entry) return false;
		*removed = *entry;
		if (bpf_map_delete_elem(&more_connections, &cookie)) return false;
		__sync_fetch_and_add(&table->more_connections, -1);
	}
	if (removed->flags & HG_CONNECTION_ADOPTED) __sync_fetch_and_add(&table->adopted, -1);
	if (table->connections_full_at) table->connections_full_at = 0;
	return true;
}

#endif /* HEADGATE_BPF_CONNECTIONS_H */
